import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, type TestContext } from "vitest";
import { readOnly, smallDisk } from "../support/reliability/disk.ts";
import { IdentityProvider } from "../support/reliability/identity-provider.ts";
import { Vendors } from "../support/reliability/vendors.ts";
import { isDelivered, RollcallProcess, type Running, scimToken, targetStatuses } from "../support/rollcall-process.ts";
import { untilTrue } from "../support/until.ts";

const hire = (key: string) => ({ op: "hire", person: key, email: `${key}@example.com`, name: key }) as const;
const origin = ({ scimUrl }: Running): string => new URL(scimUrl).origin;
const readiness = async (running: Running): Promise<{ readonly status: number; readonly text: string }> => {
  const response = await fetch(`${origin(running)}/readyz`);
  return { status: response.status, text: await response.text() };
};

describe("the disk", () => {
  let folder: string;
  let vendors: Vendors;
  let idp: IdentityProvider | undefined;
  let rollcall: RollcallProcess | undefined;
  const undo: (() => void)[] = [];
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "rollcall-disk-"));
    vendors = await Vendors.start();
  });
  afterEach(async () => {
    await rollcall?.kill();
    await idp?.close();
    await vendors.close();
    for (const step of undo.splice(0)) step();
    rmSync(folder, { recursive: true, force: true });
  });

  it("full: answers 503 with Retry-After, loses nothing acknowledged, and continues when space is free", async () => {
    const disk = smallDisk(join(folder, "disk"));
    undo.push(() => disk.close());
    rollcall = new RollcallProcess({
      folder,
      storePath: join(disk.folder, "rollcall.db"),
      targets: vendors.targets(),
      launcher: disk.launcher,
    });
    const running = await rollcall.start();
    const sender = new IdentityProvider({ door: { open: async () => running.scimUrl }, token: scimToken });
    idp = sender;
    for (let index = 0; index < 20; index += 1) await sender.send(hire(`before${index}`));
    disk.fill(running.pid);
    // All at once, until some are refused. Each is sent again until it is acknowledged.
    const sending = Promise.all(Array.from({ length: 60 }, (_, index) => sender.send(hire(`during${index}`))));
    await untilTrue(() => sender.seen.unavailable > 20, "writes are refused");
    await untilTrue(async () => (await readiness(running)).status === 503, "the process is not ready");
    expect((await readiness(running)).text).toMatch(/not ready: .*(full|disk I\/O error)/);
    // The process lives and still answers reads.
    expect((await fetch(`${origin(running)}/healthz`)).status).toBe(200);
    disk.empty(running.pid);
    await sending;
    await untilTrue(async () => (await readiness(running)).status === 200, "the process is ready");
    await untilTrue(async () => isDelivered(await targetStatuses(running)), "everything is delivered");
    expect(await sender.lostWrites(running.scimUrl)).toEqual([]);
    expect(sender.seen.withoutRetryAfter).toBe(0);
    expect(sender.seen.unanswered).toBe(0);
    expect(vendors.bitwarden.state.members.size).toBe(80);
    expect([...vendors.bitwarden.state.allMails.values()].every((mails) => mails === 1)).toBe(true);
    console.log(
      `disk (${disk.kind}): ${sender.seen.unavailable} × 503, ${sender.acknowledged.people.size} acknowledged, 0 lost`,
    );
    expect(await rollcall.stop()).toBe(0);
  });

  it("read-only: serve reports it and exits with 1", async (context: TestContext) => {
    const place = join(folder, "state");
    rollcall = new RollcallProcess({ folder, storePath: join(place, "rollcall.db"), targets: {} });
    const running = await rollcall.start();
    const sender = new IdentityProvider({ door: { open: async () => running.scimUrl }, token: scimToken });
    idp = sender;
    await sender.send(hire("ann"));
    await rollcall.stop();
    const writable = readOnly(place);
    if (writable === null) return context.skip("a read-only mount needs root on Linux");
    undo.push(writable);
    rollcall.launch();
    expect(await rollcall.exited).toBe(1);
    expect(rollcall.log).toMatch(/rollcall: .*(read-?only|unable to open|readonly)/i);
    undo.splice(0);
    writable();
    const again = await rollcall.start();
    expect(await sender.lostWrites(again.scimUrl)).toEqual([]);
  });

  it.each([
    ["its first page", 0, Buffer.from("not a database at all, not even by far")],
    ["the pages behind", 4096, Buffer.alloc(64 * 1024, 0xa5)],
  ])(
    "corrupt in %s: gives a clear error, takes access from nobody, and invents no answer",
    async (_where, at, bytes) => {
      rollcall = new RollcallProcess({ folder, targets: vendors.targets() });
      const running = await rollcall.start();
      const sender = new IdentityProvider({ door: { open: async () => running.scimUrl }, token: scimToken });
      idp = sender;
      for (let index = 0; index < 10; index += 1) await sender.send(hire(`p${index}`));
      await untilTrue(() => vendors.bitwarden.state.members.size === 10, "everybody is invited");
      await rollcall.stop();
      const file = openSync(rollcall.storePath, "r+");
      writeSync(file, bytes, 0, bytes.length, at);
      closeSync(file);
      rollcall.launch();
      const broken = await rollcall.listening();
      if (broken === null) {
        expect(await rollcall.exited).toBe(1);
        expect(rollcall.log).toMatch(/rollcall: .*(not a database|malformed)/);
      } else {
        const { status, text } = await readiness(broken);
        expect([status, text]).toEqual([503, expect.stringMatching(/malformed|not a database/)]);
      }
      expect([...vendors.bitwarden.state.members.values()].every(({ status }) => status >= 0)).toBe(true);
    },
  );
});
