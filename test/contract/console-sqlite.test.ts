import { consoleContract } from "./console-suite.ts";
import { sqliteHarness } from "./store-sqlite.ts";

consoleContract("a SQLite file", sqliteHarness);
