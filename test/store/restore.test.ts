import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import { backupSqlite, openSqliteStore } from "../../src/store/index.ts";
import { cause } from "../contract/store-world.ts";
import { userWrite } from "../support/entities.ts";

let folder: string;
let nowMs: number;
let store: DirectoryStore;
let ada: string;
const open = (name: string) => openSqliteStore(join(folder, name), { now: () => nowMs });
const connect = (name: string) =>
  store.putCredential(
    {
      name,
      type: "bitwarden",
      keyId: "k",
      sealed: "s",
      createdAtMs: nowMs,
      changedAtMs: nowMs,
      verifiedAtMs: nowMs,
    },
    cause,
  );
const about = async (target: string) => {
  const restored = await store.restored(target, { userIds: [ada], groupIds: [] });
  return restored && { ...restored, staleUserIds: [...restored.staleUserIds] };
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rollcall-restore-"));
  nowMs = 1_000;
  store = await open("first.db");
  ({ id: ada } = await store.createUser("okta", userWrite("ada@example.com"), cause));
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

/** Backs up the database and opens the copy, as the first process after a restore does. */
async function putBack(...targets: readonly string[]): Promise<void> {
  await backupSqlite(join(folder, "first.db"), join(folder, "copy.db"), nowMs);
  await store.close();
  nowMs = 5_000;
  store = await open("copy.db");
  expect(await store.noticeRestore(targets, nowMs)).toBe(1_000);
}

describe("a target that is added after a restore", () => {
  it("a new target distrusts the copy as the others do", async () => {
    await putBack("old");
    nowMs = 6_000;
    await connect("new");
    const careful = { atMs: 5_000, isReviewed: false, staleUserIds: [ada] };
    expect(await about("old")).toMatchObject(careful);
    expect(await about("new")).toMatchObject(careful);
  });

  it("a new target trusts the database when the restore is over", async () => {
    await putBack("old");
    await store.commit("old", { endsRestore: true }, nowMs);
    await connect("new");
    expect(await about("new")).toBeNull();
  });

  it("a new target trusts a database that was never restored", async () => {
    await connect("new");
    expect(await about("new")).toBeNull();
  });
});
