import { RollcallError } from "../../../domain/model/errors.ts";
import type { LdapResult } from "./wire.ts";

/** Names of RFC 4511 Appendix A (4096: RFC 4533), with advice where there is any. */
const known: Readonly<Record<number, readonly [name: string, advice?: string]>> = {
  1: ["operationsError"],
  2: ["protocolError"],
  3: [
    "timeLimitExceeded",
    "the server's time limit for this account is too short, or an attribute of the filter is not indexed",
  ],
  4: ["sizeLimitExceeded", "the server's size limit for this account is too low for a complete list"],
  7: ["authMethodNotSupported"],
  8: ["strongerAuthRequired", "use ldaps:// or tls.startTls"],
  10: ["referral"],
  11: ["adminLimitExceeded", "the server's limit for this account is too low: lower pageSize or raise the limit"],
  12: ["unavailableCriticalExtension"],
  13: ["confidentialityRequired", "use ldaps:// or tls.startTls"],
  14: ["saslBindInProgress"],
  16: ["noSuchAttribute"],
  17: ["undefinedAttributeType"],
  18: ["inappropriateMatching"],
  21: ["invalidAttributeSyntax"],
  32: ["noSuchObject", "check baseDn"],
  33: ["aliasProblem"],
  34: ["invalidDNSyntax", "check baseDn and bindDn"],
  48: ["inappropriateAuthentication"],
  49: ["invalidCredentials", "check bindDn and bindPassword"],
  50: ["insufficientAccessRights", "the account may not read this"],
  51: ["busy"],
  52: ["unavailable"],
  53: ["unwillingToPerform"],
  54: ["loopDetect"],
  80: ["other"],
  4096: ["syncRefreshRequired"],
};

// Active Directory puts the reason into the diagnostic text: `… data 52e, v1db1` (Win32 error codes, MS-ERREF 2.2).
const activeDirectoryReason: Readonly<Record<string, string>> = {
  525: "no such account",
  "52e": "wrong name or password",
  530: "not allowed at this time",
  531: "not allowed from this workstation",
  532: "the password has expired",
  533: "the account is disabled",
  701: "the account has expired",
  773: "the password must be changed",
  775: "the account is locked",
};

/** A result for people: name, code, the server's text, advice. */
export function describeResult({ code, diagnostic, referrals }: LdapResult): string {
  const [name = "result", advice = ""] = known[code] ?? [];
  const parts = [
    diagnostic.trim(),
    activeDirectoryReason[/ data ([0-9a-f]+),/i.exec(diagnostic)?.[1]?.toLowerCase() ?? ""] ?? "",
    referrals.length > 0 ? `it points to ${referrals.join(", ")}, which is not followed` : "",
    advice,
  ];
  return [`${name} (${code})`, ...parts.filter((part) => part !== "")].join("; ");
}

/** Result codes after which the same request can succeed later without a change. */
const temporary = new Set([3, 51, 52]);

/** The error for a search that did not end with success. */
export const incomplete = (what: string, result: LdapResult): RollcallError =>
  new RollcallError("SOURCE_INCOMPLETE", `${what}: ${describeResult(result)}`, {
    isPermanent: !temporary.has(result.code),
  });
