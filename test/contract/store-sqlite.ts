import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteStore } from "../../src/store/index.ts";
import { harnessOver, type StoreHarness } from "./store-world.ts";

/** A new SQLite file for each test. */
export async function sqliteHarness(): Promise<StoreHarness> {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-store-"));
  return harnessOver(
    (options) => openSqliteStore(join(folder, "deep", "rollcall.db"), options),
    () => rmSync(folder, { recursive: true, force: true }),
  );
}
