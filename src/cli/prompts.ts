import input from "@inquirer/input";
import password from "@inquirer/password";
import select from "@inquirer/select";
import type { ConnectionDraft, ConnectionType } from "../app/connection-types.ts";
import { RollcallError } from "../domain/model/errors.ts";
import { vendors } from "./vendors.ts";

/** What a person answered. */
export type Asked = Omit<ConnectionDraft, "name" | "type">;

// Standard output is for the result.
const context = { output: process.stderr };

const required = (text: string): true | string => text.trim() !== "" || "it is needed";

/** Told at once: what is asked for later would be typed in vain. */
const url = (text: string): true | string =>
  /^https?:\/\/[^\s/]+/.test(text.trim()) || "a URL begins with https:// and the name of a host";
const organizationKey = (text: string): true | string =>
  /^organization\.[0-9a-f-]{36}$/i.test(text.trim()) ||
  "it looks like organization.00000000-0000-0000-0000-000000000000";

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
 * Asks for what neither an option nor the file gives; the secret last, and it is not shown.
 * @throws `ABORTED` after Ctrl-C
 */
export const askConnection = (
  type: ConnectionType,
  given: Asked,
  own: Readonly<Record<string, unknown>>,
): Promise<Asked> => orStopped(askAll(type, given, own));

async function askAll(type: ConnectionType, given: Asked, own: Readonly<Record<string, unknown>>): Promise<Asked> {
  const isKnown = (key: keyof Asked): boolean => given[key] !== undefined || own[key] !== undefined;
  const isPlaced = isKnown("region") || isKnown("apiUrl") || isKnown("identityUrl");
  const place = isPlaced ? {} : await askPlace(type);
  const text = async (key: "accountId" | "clientId", message: string): Promise<Asked> =>
    isKnown(key)
      ? {}
      : {
          [key]: await input(
            { message, validate: key === "clientId" && type === "bitwarden" ? organizationKey : required },
            context,
          ),
        };
  return {
    ...given,
    ...place,
    ...(type === "onepassword" ? await text("accountId", "Account id (26 capital letters and digits):") : {}),
    ...(await text("clientId", type === "bitwarden" ? "client_id (organization.…):" : "Client ID:")),
    clientSecret: await password(
      { message: type === "bitwarden" ? "client_secret:" : "Client secret:", mask: "*", validate: required },
      context,
    ),
  };
}

async function askPlace(type: ConnectionType): Promise<Asked> {
  const own = { value: "", name: type === "bitwarden" ? "a server of our own (or Vaultwarden)" : "another address" };
  const choices = [...vendors[type].regions, own];
  const region = await select({ message: `Where is your ${vendors[type].account}?`, choices }, context);
  if (region !== "") return { region };
  const apiUrl = await input({ message: "API URL (https://vault.example.com/api):", validate: url }, context);
  if (type === "onepassword") return { apiUrl };
  const suggestion = apiUrl.trim().replace(/\/api\/*$/, "/identity");
  return {
    apiUrl,
    identityUrl: await input({ message: "Identity URL:", default: suggestion, validate: url }, context),
  };
}
