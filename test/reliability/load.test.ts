import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { IdentityProvider } from "../support/reliability/identity-provider.ts";
import { load, openFiles, rssMiB } from "../support/reliability/load.ts";
import { Vendors } from "../support/reliability/vendors.ts";
import { isDelivered, RollcallProcess, type Running, scimToken, targetStatuses } from "../support/rollcall-process.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
async function peopleIn({ scimUrl }: Running): Promise<number> {
  const response = await fetch(`${scimUrl}/Users?count=0`, { headers: { authorization: `Bearer ${scimToken}` } });
  return ((await response.json()) as { readonly totalResults: number }).totalResults;
}

/** More than the limit of open connections: some are refused as connections, the others as requests in flight. */
const connections = 750;
/** High enough that only the limit of all sources together counts. */
const limits = { connections: 700, requestsPerSecond: 100_000, burst: 100_000 };

describe("a process", () => {
  let folder: string;
  let rollcall: RollcallProcess | undefined;
  const undo: (() => Promise<void>)[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "rollcall-load-"));
  });
  afterEach(async () => {
    await rollcall?.kill();
    for (const step of undo.splice(0)) await step();
    rmSync(folder, { recursive: true, force: true });
  });

  it("answers all that it takes on under overload, refuses the rest, keeps its memory, and recovers", async () => {
    rollcall = new RollcallProcess({ folder, targets: {}, limits });
    const running = await rollcall.start();
    const warm = await load(running.scimUrl, running.pid, 4, 1);
    const filesBefore = openFiles(running.pid);
    const probe = { isOn: true, statuses: new Set<number>() };
    const probing = (async () => {
      while (probe.isOn) {
        probe.statuses.add((await fetch(`${new URL(running.scimUrl).origin}/healthz`)).status);
        await pause(50);
      }
    })();
    // Each connection sends as soon as it is answered: twice as many as a source may have under way (384).
    const first = await load(running.scimUrl, running.pid, connections, 3);
    const second = await load(running.scimUrl, running.pid, connections, 3);
    probe.isOn = false;
    await probing;
    expect([...probe.statuses]).toEqual([200]);
    for (const { unanswered, otherwise, refusedWithoutRetryAfter, refused, acknowledged } of [first, second]) {
      expect({ unanswered, otherwise, refusedWithoutRetryAfter }).toEqual({
        unanswered: 0,
        otherwise: {},
        refusedWithoutRetryAfter: 0,
      });
      expect(refused).toBeGreaterThan(0);
      expect(acknowledged).toBeGreaterThan(0);
    }
    expect(await peopleIn(running)).toBe(warm.acknowledged + first.acknowledged + second.acknowledged);
    expect(second.peakRssMiB).toBeLessThan(600);
    expect(rssMiB(running.pid)).toBeLessThan(first.peakRssMiB * 1.5);
    await vi.waitFor(() => expect(openFiles(running.pid)).toBeLessThanOrEqual(filesBefore + 8), { timeout: 30_000 });
    expect(await rollcall.stop()).toBe(0);
  });

  it("continues where it was after a suspension (SIGSTOP), and invites nobody twice", async () => {
    const vendors = await Vendors.start();
    undo.push(() => vendors.close());
    rollcall = new RollcallProcess({ folder, targets: vendors.targets() });
    const running = await rollcall.start();
    const idp = new IdentityProvider({ door: { open: async () => running.scimUrl }, token: scimToken });
    undo.push(() => idp.close());
    for (let round = 0; round < 4; round += 1) {
      const hired = Array.from({ length: 10 }, (_, index) => `r${round}p${index}`);
      const sending = Promise.all(
        hired.map((key) => idp.send({ op: "hire", person: key, email: `${key}@example.com`, name: key })),
      );
      await pause(round * 25);
      rollcall.signal("SIGSTOP");
      await pause(1000);
      rollcall.signal("SIGCONT");
      await sending;
    }
    await vi.waitFor(async () => expect(isDelivered(await targetStatuses(running))).toBe(true), { timeout: 60_000 });
    expect(await idp.lostWrites(running.scimUrl)).toEqual([]);
    expect([...vendors.bitwarden.state.allMails.values()]).toEqual(Array.from({ length: 40 }, () => 1));
  });
});
