import { describe, expect, it } from "vitest";
import { noOpenldap } from "../support/ldap/openldap.ts";
import { ldapCrashRun, pollPoints } from "../support/reliability/ldap-crash-run.ts";
import { isFull } from "./extent.ts";

const seed = 20261122;
/** People who are added at once, per round. The commit of more people takes longer. */
const extent = isFull
  ? { sizes: [1, 40, 300], killsEach: 5, writes: 120 }
  : { sizes: [5, 100], killsEach: 2, writes: 40 };

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
