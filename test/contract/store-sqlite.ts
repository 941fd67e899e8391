import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import { openSqliteStore } from "../../src/store/index.ts";
import type { StoreHarness } from "./store-world.ts";

/** A new SQLite file for each test. */
export async function sqliteHarness(): Promise<StoreHarness> {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-store-"));
  const path = join(folder, "deep", "rollcall.db");
  const clock = { nowMs: 1_800_000_000_000 };
  const opened: DirectoryStore[] = [];
  const open = async (): Promise<DirectoryStore> => {
    const store = await openSqliteStore(path, { now: () => clock.nowMs });
    opened.push(store);
    return store;
  };
  const closeAll = async (): Promise<void> => {
    for (const store of opened.splice(0)) await store.close();
  };
  return {
    clock,
    open,
    beside: open,
    reopen: async () => {
      await closeAll();
      return await open();
    },
    close: async () => {
      await closeAll();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
