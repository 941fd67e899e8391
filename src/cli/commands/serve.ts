import type { Cli } from "../command.ts";

const help = `
Examples:
  rollcall serve                            sandbox with made-up people; state in ./data
  rollcall serve -c rollcall.yaml
  ROLLCALL_CONFIG=/etc/rollcall.yaml rollcall serve --log-level debug

Runs until SIGTERM or SIGINT, then finishes running work within 10 s.
Exit code: 0 after a signal, 1 error.`;

export const addServe = (cli: Cli): void =>
  void cli.add({
    name: "serve",
    summary: "SCIM endpoint and sync; without a configuration a sandbox",
    help,
    // Loaded on demand: the server is a large part of the program, and all other commands start faster without it.
    run: async (context, options) => {
      const [{ serve }, { announce }] = await Promise.all([
        import("../../server/server.ts"),
        import("../output/sandbox-banner.ts"),
      ]);
      return await serve(context, options, (started) => announce(context.terminal, options, started));
    },
  });
