// Writes config/rollcall.schema.json; a test fails while it differs from the schema in src/config.
import { writeFileSync } from "node:fs";
import { jsonSchema } from "../src/config/index.ts";
import { targetDefinitions } from "../src/targets/registry.ts";

const target = new URL("../config/rollcall.schema.json", import.meta.url);
writeFileSync(target, `${JSON.stringify(jsonSchema(targetDefinitions), null, 2)}\n`);
