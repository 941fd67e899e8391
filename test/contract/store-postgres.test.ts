import { afterAll, beforeAll, describe, vi } from "vitest";
import type { DirectoryStore } from "../../src/domain/ports/directory-store.ts";
import { openPostgres } from "../../src/store/database/postgres.ts";
import { openStore } from "../../src/store/index.ts";
import { noPostgres, type PostgresServer, startPostgres } from "../support/postgres.ts";
import { auditContract } from "./audit-suite.ts";
import { consoleContract } from "./console-suite.ts";
import { storeContract } from "./store-suite.ts";
import type { StoreHarness } from "./store-world.ts";

// Each statement is a round trip, and some cases have tens of thousands.
vi.setConfig({ testTimeout: 90_000 });

describe.skipIf(noPostgres !== null)(`PostgreSQL${noPostgres === null ? "" : ` (${noPostgres})`}`, () => {
  let server: PostgresServer;
  beforeAll(async () => {
    // Nothing here pulls a plug.
    server = await startPostgres({ settings: ["fsync = off"] });
  });
  afterAll(() => server?.close());

  /** A new schema for each test. */
  async function harness(): Promise<StoreHarness> {
    const url = await server.makeSchema();
    const clock = { nowMs: 1_800_000_000_000 };
    const opened: DirectoryStore[] = [];
    const open = async (): Promise<DirectoryStore> => {
      const store = await openStore(openPostgres(url), { now: () => clock.nowMs });
      opened.push(store);
      return store;
    };
    const close = async (): Promise<void> => {
      for (const store of opened.splice(0)) await store.close();
    };
    return {
      clock,
      open,
      beside: open,
      reopen: async () => {
        await close();
        return await open();
      },
      close,
    };
  }

  storeContract("the store", harness);
  auditContract("the audit trail", harness);
  consoleContract("the console", harness);
});
