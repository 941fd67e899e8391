#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { createAdapters } from "./app/adapters.ts";
import { openTerminal } from "./cli/output/terminal.ts";
import { runCli } from "./cli/program.ts";
import { openTracing } from "./telemetry/index.ts";

// Files written here hold names and tokens: only this user may read them.
process.umask(0o077);

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly version: string;
};
const tracer = await openTracing(process.env, version);
const adapters = createAdapters({ version, tracer });

process.exitCode = await runCli(process.argv, { ...adapters, env: process.env, terminal: openTerminal() });
// An unreachable collector of traces delays the exit by 1.5 seconds at most.
if (!(await tracer.close(1500))) process.exit();
