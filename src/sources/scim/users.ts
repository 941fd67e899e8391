import { isDeepStrictEqual } from "node:util";
import type { JsonObject } from "../../domain/model/entities.ts";
import { normalizeEmail } from "../../domain/model/entities.ts";
import type { ScimStore, UserWrite } from "../../domain/ports/scim-store.ts";
import type { Endpoint, Update } from "./endpoint.ts";
import { badRequest } from "./errors.ts";
import { isArray, isObject, own, without } from "./json.ts";
import { indexedText, normalizeResource, refuseLong, requiredText, shortened, textOf } from "./normalize.ts";
import { applyPatch, parsePatch } from "./patch.ts";
import { USER_SCHEMA } from "./schemas.ts";

/** `/Users` (RFC 7643 §4.1, RFC 7644 §3). */
export function usersEndpoint(store: ScimStore, patchOperations: number): Endpoint {
  const update = ({ source, id, expectedRev, cause }: Update, change: (present: JsonObject) => JsonObject) =>
    store.updateUser(
      source,
      id,
      expectedRev,
      ({ resource }) => {
        const next = change(resource);
        return isDeepStrictEqual(resource, next) ? null : toUserWrite(next);
      },
      cause,
    );
  return {
    schema: USER_SCHEMA,
    patchStatus: 200,
    get: (source, id) => store.getUser(source, id),
    list: (source, query) => store.listUsers(source, query),
    scan: (source, where, pageSize) => store.scanUsers(source, where, pageSize),
    references: (source, ids) => store.groupsOfUsers(source, ids),
    create: async (source, body, cause) =>
      store.createUser(source, toUserWrite({ active: true, ...normalizeResource(USER_SCHEMA, body) }), cause),
    replace: async (put) => {
      const next = normalizeResource(USER_SCHEMA, put.body);
      // A PUT without `active` leaves it unchanged: it must not enable a disabled user.
      return update(put, (present) => ({ active: own(present, "active") ?? true, ...next }));
    },
    patch: async (patch) => {
      const steps = parsePatch(USER_SCHEMA, patch.body, patchOperations);
      return update(patch, (present) => applyPatch(present, steps, patch.id));
    },
    remove: (source, id, expectedRev, cause) => store.deleteUser(source, id, expectedRev, cause),
  };
}

/**
 * Returns the resource of a user with the columns that the store derives from it.
 * @throws ScimError 400 invalidValue without a userName or an email address
 */
export function toUserWrite(patched: JsonObject): UserWrite {
  // A blank displayName counts as none: the column then has the name that is shown instead.
  const resource = textOf(patched, "displayName")?.trim() === "" ? without(patched, "displayName") : patched;
  const userName = requiredText(resource, "userName");
  const addresses = readAddresses(resource);
  for (const { value } of addresses) refuseLong("emails.value", value);
  return {
    resource,
    userName,
    externalId: indexedText(resource, "externalId"),
    email: chooseEmail(addresses, userName),
    emails: [...new Set(addresses.map((each) => each.value))],
    displayName: chooseDisplayName(resource, userName),
    isActive: own(resource, "active") !== false,
  };
}

interface Address {
  readonly value: string;
  readonly isPrimary: boolean;
  readonly isWork: boolean;
}

function readAddresses(resource: JsonObject): Address[] {
  const emails = own(resource, "emails");
  const values = isArray(emails) ? emails.filter(isObject) : [];
  return values.flatMap((each) => {
    const value = normalizeEmail(textOf(each, "value") ?? "");
    return value === ""
      ? []
      : [{ value, isPrimary: own(each, "primary") === true, isWork: textOf(each, "type")?.toLowerCase() === "work" }];
  });
}

const looksLikeEmail = (text: string): boolean => text.length <= 254 && /^[^\s@]+@[^\s@]+$/.test(text);

/** The primary address, else the work address, else the first one, else a userName that looks like an address. */
function chooseEmail(addresses: readonly Address[], userName: string): string {
  const usable = addresses.filter((each) => looksLikeEmail(each.value));
  const chosen = usable.find((each) => each.isPrimary) ?? usable.find((each) => each.isWork) ?? usable[0];
  if (chosen !== undefined) return chosen.value;
  const name = normalizeEmail(userName);
  if (!looksLikeEmail(name))
    throw badRequest("invalidValue", "emails: an email address is needed, in emails or as userName");
  return name;
}

function chooseDisplayName(resource: JsonObject, userName: string): string {
  const name = own(resource, "name");
  const parts = isObject(name) ? name : {};
  const full = [textOf(parts, "givenName"), textOf(parts, "familyName")].filter((each) => each !== null).join(" ");
  const names = [indexedText(resource, "displayName"), textOf(parts, "formatted"), full];
  const chosen = names.find((each) => each !== null && each.trim() !== "") ?? userName;
  return shortened(chosen);
}
