/** The kinds of alert. They are also the values of `alerts.channels.*.kinds` in the configuration. */
export const alertKinds = [
  "removals-held",
  "source-failing",
  "target-failing",
  "credential-rejected",
  "snapshot-refused",
  "people-refused",
  "budget-nearly-spent",
  "token-expiring",
  "database",
  "clock",
] as const;
export type AlertKind = (typeof alertKinds)[number];

/**
 * From the least to the worst. `warning`: somebody should look at it. `critical`: access does not follow the directory
 * until somebody acts.
 */
export const alertSeverities = ["warning", "critical"] as const;
export type AlertSeverity = (typeof alertSeverities)[number];

/** True if `severity` is `least` or worse. */
export const isAtLeast = (severity: AlertSeverity, least: AlertSeverity): boolean =>
  alertSeverities.indexOf(severity) >= alertSeverities.indexOf(least);
