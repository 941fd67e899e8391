import { describe, expect, it } from "vitest";
import { noOpenldap } from "../support/ldap/openldap.ts";
import { ldapCrashRun, pollPoints } from "../support/reliability/ldap-crash-run.ts";
import { isFull } from "./extent.ts";

const seed = 20261122;
/** People who come at once: a commit of some milliseconds, and one of many. */
const extent = isFull
  ? { sizes: [1, 40, 300], killsEach: 5, writes: 120 }
  : { sizes: [5, 400], killsEach: 3, writes: 60 };

describe.skipIf(noOpenldap !== null)(noOpenldap ?? "kills in the polls of a directory, beside SCIM", () => {
  it("leave a snapshot whole or absent, and both sources are delivered", { timeout: 8 * 60_000 }, async () => {
    const { kills, killed, people, mails, violations, seconds } = await ldapCrashRun({ seed, ...extent });
    const points = pollPoints.map((point) => `${point} ${kills[point]}`).join(", ");
    console.log(`a directory: ${killed} kills in ${seconds} s (${points}); ${people} people, ${mails} mails`);
    expect(violations).toEqual([]);
    expect(killed).toBe(extent.sizes.length * extent.killsEach);
    if (isFull) expect(pollPoints.filter((point) => kills[point] === 0)).toEqual([]);
  });
});
