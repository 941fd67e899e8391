import { expect, it } from "vitest";
import { RollcallError } from "../../src/domain/model/errors.ts";
import type { CommitResult, PollState } from "../../src/domain/ports/import-store.ts";
import type { PollReport } from "../../src/sources/ldap/poller.ts";
import { runPolls } from "../../src/sources/ldap/schedule.ts";
import { ldapSettings } from "../support/ldap/settings.ts";

const settings = ldapSettings({
  preset: "openldap",
  url: ["ldap://x"],
  users: { baseDn: "" },
  everyMs: 300_000,
});

/** Runs the loop on a test clock. Each outcome is one poll of one second. Returns the start times of the polls. */
async function momentsOf(
  outcomes: readonly (number | "fails" | "aborted")[],
  state: Partial<PollState> = {},
): Promise<readonly number[]> {
  let nowMs = 1_000_000;
  const moments: number[] = [];
  const stopping = new AbortController();
  await runPolls(
    {
      poller: {
        settings,
        poll: async () => {
          moments.push(nowMs - 1_000_000);
          nowMs += 1000;
          const outcome = outcomes[moments.length - 1];
          if (moments.length === outcomes.length) stopping.abort();
          if (outcome === "fails") throw new RollcallError("SOURCE_UNAVAILABLE", "down");
          if (outcome === "aborted") throw new RollcallError("ABORTED", "stopped");
          return { result: { unconfirmedMissing: outcome } as CommitResult } as PollReport;
        },
      },
      store: { pollState: async () => ({ lastSuccessAtMs: null, failingSinceMs: null, ...state }) as PollState },
      now: () => nowMs,
      sleep: async (ms) => {
        nowMs += ms;
      },
    },
    stopping.signal,
    new AbortController().signal,
  );
  return moments;
}

it.each<{
  readonly title: string;
  readonly outcomes: Parameters<typeof momentsOf>[0];
  readonly state?: Partial<PollState>;
  readonly moments: readonly number[];
}>([
  { title: "at once, then once per period", outcomes: [0, 0, 0], moments: [0, 300_000, 600_000] },
  {
    title: "one period after the last success, also after a restart",
    outcomes: [0],
    state: { lastSuccessAtMs: 900_000 },
    moments: [200_000],
  },
  {
    title: "at once after a restart if polls fail",
    outcomes: [0],
    state: { lastSuccessAtMs: 900_000, failingSinceMs: 950_000 },
    moments: [0],
  },
  { title: "once per period after failures", outcomes: ["fails", "fails", 0], moments: [0, 300_000, 600_000] },
  { title: "sooner to confirm missing entries", outcomes: [3, 0, 0], moments: [0, 60_000, 360_000] },
  { title: "no more once aborted", outcomes: ["aborted", 0], moments: [0] },
])("a source is polled $title", async ({ outcomes, state, moments }) => {
  expect(await momentsOf(outcomes, state)).toEqual(moments);
});
