import type { TargetDefinition } from "../src/targets/definition.ts";

const yesNo = (is: boolean): string => (is ? "yes" : "no");

const inOwnWords = (word: string | undefined): string => (word === undefined ? "" : `, shown as "${word}"`);

const section = ({
  type,
  product,
  accountNoun,
  regions,
  ownServer,
  credentials,
  abilities,
  operationNames,
  limits,
  setup,
}: TargetDefinition) => `## ${product}

One target is one ${product} ${accountNoun}. Its \`type\` in the configuration is \`${type}\`.

| Rollcall can | |
|---|---|
| suspend accounts | yes${inOwnWords(operationNames.suspend)} |
| restore accounts | yes${inOwnWords(operationNames.restore)} |
| invite people | ${yesNo(abilities.invite)} |
| remove accounts | ${yesNo(abilities.remove)} |
| manage groups and their members | ${yesNo(abilities.groups)} |
| mark accounts with an external id | ${yesNo(abilities.externalIds)} |

Servers:

| Choice | Configuration |
|---|---|
${regions.map(({ value, label }) => `| ${label} | \`region: ${value}\` |`).join("\n")}
| ${ownServer.label} | ${ownServer.urls.map(({ key, placeholder = "" }) => `\`${key}\`, such as \`${placeholder}\``).join("; ")} |

Credentials:

| Key | Name at ${product} | Notes |
|---|---|---|
${credentials.map(({ key, label, help = "", isSecret }) => `| \`${key}\` | ${label} | ${isSecret ? "secret" : help} |`).join("\n")}

Requirements: ${setup.requires}

${setup.steps.map((step, index) => `${index + 1}. ${step}`).join("\n")}

To end the credentials: ${setup.revoke}. ${setup.afterLeak}

Limits:

${limits.map((limit) => `- ${limit}.`).join("\n")}
`;

/** Returns docs/targets.md: what each type of target can do and needs, from the registry. */
export const targetsDocument = (definitions: readonly TargetDefinition[]): string => `# Targets

<!-- "npm run schema" writes this file from the definitions in src/targets. -->

${definitions.map(section).join("\n")}`;
