import { targetTypes } from "../targets/registry.ts";

/** What stands below the list of commands. */
export const overview = `
Start here:
  rollcall serve                            a sandbox: everything emulated, nothing real
  rollcall check -c rollcall.yaml           is the configuration right, do the connections work?
  rollcall plan  -c rollcall.yaml           what would be done?
  rollcall serve -c rollcall.yaml           do it, and keep doing it

"rollcall <command> --help" has examples and exit codes.`;

/** What stands below the options of a command. */
export const help = {
  serve: `
Examples:
  rollcall serve                            sandbox with made-up people; state in ./data
  rollcall serve -c rollcall.yaml
  ROLLCALL_CONFIG=/etc/rollcall.yaml rollcall serve --log-level debug

Runs until SIGTERM or SIGINT, then finishes what is under way within 10 s.
Exit code: 0 after a signal, 1 error.`,
  sync: `
Examples:
  rollcall sync -c rollcall.yaml
  rollcall sync -c rollcall.yaml --target acme --timeout 30m

Exit code: 0 converged, 1 error, 3 removals are held and nobody has decided about them,
4 some changes failed.`,
  plan: `
Examples:
  rollcall plan -c rollcall.yaml
  rollcall plan acme -c rollcall.yaml --json
  rollcall plan -c rollcall.yaml --detailed-exitcode || echo "there is something to do"

Exit code: 0, 1 error; with --detailed-exitcode 2 when there are changes.`,
  approve: `
Examples:
  rollcall plan acme              names the held removals, and their digest
  rollcall approve acme 3f9c0d1e2a4b5c6d

Only these removals pass, once, in this target. What is held later has another digest.
Exit code: 0, 1 when no removals are held under that digest.`,
  dismiss: `
Examples:
  rollcall plan acme              names the held removals, and their digest
  rollcall dismiss acme 3f9c0d1e2a4b5c6d

For what is not right, a broken filter say: exactly these stay held, whatever the budget allows, until the directory no
longer asks for them or somebody approves them. What is held later is not dismissed. Also while "rollcall serve" runs.
Exit code: 0, 1 when no removals are held under that digest.`,
  status: `
Examples:
  rollcall status -c rollcall.yaml
  rollcall status -c rollcall.yaml --json | jq '.targets[] | select(.held > 0)'

Exit code: 0, 1 error. A target that fails is shown, and is no error of this command.`,
  check: `
Examples:
  rollcall check -c rollcall.yaml
  rollcall check -c rollcall.yaml --json

Exit code: 0 when everything works, 1 otherwise.`,
  health: `
Examples:
  rollcall health -c rollcall.yaml
  rollcall health --ready -c rollcall.yaml

For the health check of a container: finds the port in the configuration.
Exit code: 0 it answers well, 1 it does not.`,
  user: `
Examples:
  rollcall user ada@example.com
  rollcall user 1552bd60-bd29-4d82-b5aa-a1b0cfb4f7fa --json

Exit code: 0, 1 when nobody is known by that name.`,
  audit: `
Examples:
  rollcall audit --person ada@example.com
  rollcall audit --lost-access --since 7d
  rollcall audit export --format csv --since 2026-01-01 > audit.csv
  rollcall audit verify --head 18231:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

All of them only read, also while "rollcall serve" runs.`,
  auditList: `
Examples:
  rollcall audit list --person ada@example.com
  rollcall audit list --lost-access --since 7d`,
  auditExport: `
Examples:
  rollcall audit export > audit.jsonl
  rollcall audit export --format csv --lost-access --target acme --since 90d > lost.csv

The words of --action with --lost-access: suspend, remove, removeFromGroup, removeGroup.
In CSV, a cell that a spreadsheet would take for a formula begins with an apostrophe.
Exit code: 0, 1 error.`,
  auditVerify: `
Examples:
  rollcall audit verify
  rollcall audit verify --head 18231:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

Note the head that it prints, and keep it where nobody who can write to the database can write:
with --head it shows later that nothing up to there was cut off or written anew.
Exit code: 0 intact, 1 not.`,
  alerts: `
Examples:
  rollcall alerts test
  rollcall alerts test ops-mail -c rollcall.yaml

Exit code: 0 when every message was taken, 1 otherwise.`,
  backup: `
Examples:
  rollcall backup /backup/rollcall-$(date +%F).db

The copy is whole, readable by this user alone, checked page by page and audit row by row,
and never written over a file that is there. To put it back: stop "rollcall serve", move
the database and its -wal and -shm files away, put the copy in its place, start again.
What only the copy asks for is then held until you approve it (docs/reliability.md).
Of a copy made in another way, say "rollcall restored" before you start again.
Exit code: 0, 1 error; then there is no copy.`,
  restored: `
Examples:
  rollcall restored -c rollcall.yaml        then: rollcall serve -c rollcall.yaml

For a copy that "rollcall backup" did not make: a snapshot of the volume, a file that was copied.
Nothing in such a copy tells that it is one, and who has left since would be let in again. Stop
"rollcall serve", put the database there with the -wal file of the same moment (an older one moved
away, -shm too), say this, start again: then it is as with a backup (docs/reliability.md).
Say it before the first start; later it holds what the sources have told meanwhile, too.
Exit code: 0 noted, also when it was before; 1 error, among them that "rollcall serve" runs.`,
  token: `
Examples:
  rollcall token create --source okta --label "Okta, production"
  rollcall token list
  rollcall token rotate 0b47dca4-0ba5-4626-b773-40f433875bbe --grace 24h
  rollcall token revoke 0b47dca4-0ba5-4626-b773-40f433875bbe

To rotate without a pause: "token rotate", give the new one to the identity provider, and see
in "token list" that the old one is not used any more.`,
  connect: `
Examples:
${targetTypes.map((type) => `  rollcall connect ${type} -c rollcall.yaml\n`).join("")}  rollcall connect ${targetTypes[0]} --name acme --region eu --client-id ID < secret-file

Asks for what is missing on a terminal; otherwise the secret is read from standard input, never from an argument.
Signs in and reads once; only what works is stored, encrypted under the masterKey of the configuration.
Exit code: 0 stored, 1 nothing was stored.`,
  connections: `
Examples:
  rollcall connections -c rollcall.yaml
  rollcall connections --json | jq '.connections[].name'`,
  disconnect: `
Examples:
  rollcall disconnect acme
  rollcall disconnect acme --yes  without a terminal

Exit code: 0, 1 nothing was done.`,
  tokenCreate: `
Examples:
  rollcall token create --source okta
  rollcall token create --source okta --label "Okta, production" -c rollcall.yaml --json

The token is printed once; only its hash is kept.`,
  tokenRotate: `
Examples:
  rollcall token rotate 0b47dca4-0ba5-4626-b773-40f433875bbe --grace 2h

The new token is printed once, for the same source and with the same label. Give it to the
identity provider within the grace period: both are good until then. "rollcall token list"
shows when the old one was last used.
Exit code: 0, 1 when there is no such token that is still good.`,
  tokenList: `
Examples:
  rollcall token list
  rollcall token list --json | jq -r '.tokens[].id'`,
  tokenRevoke: `
Examples:
  rollcall token list                       shows the ids
  rollcall token revoke 0b47dca4-0ba5-4626-b773-40f433875bbe

Exit code: 0, 1 when there is no such token.`,
  completion: `
Examples:
  source <(rollcall completion bash)        in ~/.bashrc
  source <(rollcall completion zsh)         in ~/.zshrc, after compinit
  rollcall completion fish > ~/.config/fish/completions/rollcall.fish`,
  rekey: `
Examples:
  rollcall rekey -c rollcall.yaml           all or nothing, also while "rollcall serve" runs

To replace the master key: make a new one, list both in the configuration with the new one
first (masterKey: [file:new.key, file:old.key]), run this, take the old one out of the list.

Exit code: 0, 1 nothing was changed.`,
  sandbox: `
Examples:
  rollcall sandbox > rollcall.yaml          and beside it:
  rollcall token create -c rollcall.yaml --source idp
  rollcall serve -c rollcall.yaml
  rollcall sandbox --port 9100              a second one, with a state of its own`,
};
