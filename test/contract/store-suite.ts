import { describe } from "vitest";
import { decisions } from "./decisions-suite.ts";
import { history } from "./history-suite.ts";
import { runs } from "./run-suite.ts";
import { scimLists } from "./scim-lists-suite.ts";
import { scimWrites } from "./scim-writes-suite.ts";
import { settings } from "./settings-suite.ts";
import { type StoreHarness, useStore } from "./store-world.ts";

/** What every `DirectoryStore` must do, on any database. */
export function storeContract(name: string, makeHarness: () => Promise<StoreHarness>): void {
  describe(name, () => {
    const world = useStore(makeHarness);
    for (const suite of [scimWrites, scimLists, runs, decisions, history, settings]) suite(world);
  });
}
