// Writes config/rollcall.schema.json and docs/targets.md. A test fails while one of them differs from src.
import { writeFileSync } from "node:fs";
import { jsonSchema } from "../src/config/index.ts";
import { targetDefinitions } from "../src/targets/registry.ts";
import { targetsDocument } from "./targets-document.ts";

const write = (path: string, text: string): void => writeFileSync(new URL(`../${path}`, import.meta.url), text);
write("config/rollcall.schema.json", `${JSON.stringify(jsonSchema(targetDefinitions), null, 2)}\n`);
write("docs/targets.md", targetsDocument(targetDefinitions));
