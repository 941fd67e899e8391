import { afterAll, beforeAll, describe } from "vitest";
import { openPostgres } from "../../src/store/database/postgres.ts";
import { openStore } from "../../src/store/index.ts";
import { noPostgres, type PostgresServer, startPostgres } from "../support/postgres.ts";
import { auditContract } from "./audit-suite.ts";
import { consoleContract } from "./console-suite.ts";
import { storeContract } from "./store-suite.ts";
import { harnessOver, type StoreHarness } from "./store-world.ts";

describe.skipIf(noPostgres !== null)(`PostgreSQL${noPostgres === null ? "" : ` (${noPostgres})`}`, () => {
  let server: PostgresServer;
  beforeAll(async () => {
    // No test here cuts the power.
    server = await startPostgres({ settings: ["fsync = off"] });
  });
  afterAll(() => server?.close());

  /** A new schema for each test. */
  async function harness(): Promise<StoreHarness> {
    const url = await server.makeSchema();
    return harnessOver((options) => openStore(openPostgres(url), options));
  }

  storeContract("the store", harness);
  auditContract("the audit trail", harness);
  consoleContract("the console", harness);
});
