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

/** Runs the loop on a clock of its own: each outcome is one poll that takes a second; gives the moments of the polls. */
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

it.each([
  ["at once and then every period", [0, 0, 0], {}, [0, 300_000, 600_000]],
  ["no sooner after a restart", [0], { lastSuccessAtMs: 900_000 }, [200_000]],
  ["at once after a restart while failing", [0], { lastSuccessAtMs: 900_000, failingSinceMs: 950_000 }, [0]],
  ["on after failures", ["fails", "fails", 0], {}, [0, 300_000, 600_000]],
  ["sooner to confirm who is missing", [3, 0, 0], {}, [0, 60_000, 360_000]],
  ["no more when aborted", ["aborted", 0], {}, [0]],
] as const)("polls %s", async (_title, outcomes, state, expected) => {
  expect(await momentsOf(outcomes, state)).toEqual(expected);
});
