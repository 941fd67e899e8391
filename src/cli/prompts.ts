import input from "@inquirer/input";
import password from "@inquirer/password";
import select from "@inquirer/select";
import type { ConnectionKeys } from "../app/connections.ts";
import { RollcallError } from "../domain/model/errors.ts";
import type { CredentialField, TargetDefinition } from "../targets/definition.ts";

// Standard output is for the result.
const context = { output: process.stderr };

const url = (text: string): true | string =>
  /^https?:\/\/[^\s/]+/.test(text.trim()) || "a URL begins with https:// and the name of a host";
/** Ctrl-C at a question. */
async function orStopped<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    if (cause instanceof Error && cause.name === "ExitPromptError")
      throw new RollcallError("ABORTED", "stopped: nothing was done");
    throw cause;
  }
}

/** One line of text. @throws `ABORTED` after Ctrl-C */
export const askText = async (message: string): Promise<string> =>
  (await orStopped(input({ message }, context))).trim();

/** @throws `ABORTED` after Ctrl-C */
export const askYes = (message: string): Promise<boolean> =>
  orStopped(
    select(
      {
        message,
        choices: [
          { value: true, name: "yes" },
          { value: false, name: "no" },
        ],
      },
      context,
    ),
  );

/**
 * Asks for what neither an option nor the file gives. The secret comes last and is not shown.
 * @throws `ABORTED` after Ctrl-C
 */
export const askConnection = (
  definition: TargetDefinition,
  given: ConnectionKeys,
  own: Readonly<Record<string, unknown>>,
): Promise<ConnectionKeys> => orStopped(askAll(definition, given, own));

async function askAll(
  definition: TargetDefinition,
  given: ConnectionKeys,
  own: Readonly<Record<string, unknown>>,
): Promise<ConnectionKeys> {
  const isKnown = (key: string): boolean => given[key] !== undefined || own[key] !== undefined;
  const place = definition.placeKeys.some(isKnown) ? {} : await askPlace(definition);
  const asked: Record<string, string> = {};
  for (const field of definition.credentials.filter(({ key, isSecret }) => isSecret || !isKnown(key))) {
    const question = { message: `${field.label}:`, validate: (text: string) => problemOf(field, text) ?? true };
    if (field.help !== undefined) process.stderr.write(`${field.label}: ${field.help}\n`);
    asked[field.key] = await (field.isSecret
      ? password({ ...question, mask: "*" }, context)
      : input(question, context));
  }
  return { ...given, ...place, ...asked };
}

/** Returns at once what is wrong with the text. Without it, people would answer the other questions in vain. */
function problemOf({ form }: CredentialField, text: string): string | null {
  if (text.trim() === "") return "this is required";
  return form?.safeParse(text.trim()).error?.issues[0]?.message ?? null;
}

async function askPlace({ regions, ownServer, accountNoun }: TargetDefinition): Promise<ConnectionKeys> {
  const choices = [
    ...regions.map(({ value, label }) => ({ value, name: label })),
    { value: "", name: ownServer.label },
  ];
  const region = await select({ message: `Where is your ${accountNoun}?`, choices }, context);
  if (region !== "") return { region };
  const urls: Record<string, string> = {};
  for (const { key, label, placeholder, suggest } of ownServer.urls) {
    const suggestion = suggest?.(Object.values(urls)[0]?.trim() ?? "");
    const message = suggestion === undefined && placeholder !== undefined ? `${label} (${placeholder}):` : `${label}:`;
    urls[key] = await input(
      { message, validate: url, ...(suggestion !== undefined && { default: suggestion }) },
      context,
    );
  }
  return urls;
}
