import type { JsonObject } from "../../domain/model/entities.ts";
import { normalizeEmail } from "../../domain/model/entities.ts";
import type { ScimStore, UserWrite } from "../../domain/ports/scim-store.ts";
import type { Endpoint } from "./endpoint.ts";
import { badRequest } from "./errors.ts";
import { isArray, isObject, own, without } from "./json.ts";
import { isUnchanged, normalizeResource } from "./normalize.ts";
import { applyPatch, parsePatch } from "./patch.ts";
import { USER_SCHEMA } from "./schemas.ts";

/** `/Users` (RFC 7643 §4.1, RFC 7644 §3). */
export function usersEndpoint(store: ScimStore, patchOperations: number): Endpoint {
  return {
    schema: USER_SCHEMA,
    patchStatus: 200,
    get: (source, id) => store.getUser(source, id),
    list: (source, query) => store.listUsers(source, query),
    scan: (source, where, pageSize) => store.scanUsers(source, where, pageSize),
    references: (source, ids) => store.groupsOfUsers(source, ids),
    create: async (source, body, cause) =>
      store.createUser(source, toUserWrite({ active: true, ...normalizeResource(USER_SCHEMA, body) }), cause),
    replace: async (source, id, expectedRev, body, cause) => {
      refuseOtherId(body, id);
      const next = normalizeResource(USER_SCHEMA, body);
      // A missing `active` is unchanged (requirement 35): a PUT must not bring somebody back.
      return store.updateUser(
        source,
        id,
        expectedRev,
        ({ resource }) => changedWrite(resource, { active: own(resource, "active") ?? true, ...next }),
        cause,
      );
    },
    patch: async (source, id, expectedRev, body, cause) => {
      const steps = parsePatch(USER_SCHEMA, body, patchOperations);
      return store.updateUser(
        source,
        id,
        expectedRev,
        ({ resource }) => changedWrite(resource, applyPatch(resource, steps, id)),
        cause,
      );
    },
    remove: (source, id, expectedRev, cause) => store.deleteUser(source, id, expectedRev, cause),
  };
}

/** A PUT may echo the id, not change it (RFC 7644 §3.5.1). */
export function refuseOtherId(body: JsonObject, id: string): void {
  const given = own(body, "id");
  if (given != null && given !== id) throw badRequest("mutability", "id is read-only");
}

const changedWrite = (before: JsonObject, after: JsonObject): UserWrite | null =>
  isUnchanged(before, after) ? null : toUserWrite(after);

/**
 * What the store keeps of a person beside the resource.
 * @throws ScimError 400 invalidValue without a userName or an e-mail address
 */
export function toUserWrite(patched: JsonObject): UserWrite {
  // A blank displayName is none: the column holds what is shown instead.
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

/** A required attribute is more than blanks. */
export function requiredText(resource: JsonObject, name: string): string {
  const value = indexedText(resource, name);
  if (value === null || value.trim() === "") throw badRequest("invalidValue", `${name} is required`);
  return value;
}

/** Text that the store has an index of: PostgreSQL takes no more than 2,700 bytes into one. */
const MAX_INDEXED_LENGTH = 512;

export function indexedText(resource: JsonObject, name: string): string | null {
  const value = textOf(resource, name);
  if (value !== null) refuseLong(name, value);
  return value;
}

function refuseLong(name: string, value: string): void {
  if (value.length > MAX_INDEXED_LENGTH) {
    throw badRequest("invalidValue", `${name} is ${value.length} characters long, the limit is ${MAX_INDEXED_LENGTH}`);
  }
}

export function textOf(resource: JsonObject, name: string): string | null {
  const value = own(resource, name);
  return typeof value === "string" ? value : null;
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

/** Requirement 41: primary, work, first, userName if it looks like one. */
function chooseEmail(addresses: readonly Address[], userName: string): string {
  const usable = addresses.filter((each) => looksLikeEmail(each.value));
  const chosen = usable.find((each) => each.isPrimary) ?? usable.find((each) => each.isWork) ?? usable[0];
  if (chosen !== undefined) return chosen.value;
  const name = normalizeEmail(userName);
  if (!looksLikeEmail(name))
    throw badRequest("invalidValue", "emails: an e-mail address is needed, in emails or as userName");
  return name;
}

function chooseDisplayName(resource: JsonObject, userName: string): string {
  const name = own(resource, "name");
  const parts = isObject(name) ? name : {};
  const full = [textOf(parts, "givenName"), textOf(parts, "familyName")].filter((each) => each !== null).join(" ");
  const names = [indexedText(resource, "displayName"), textOf(parts, "formatted"), full];
  const chosen = names.find((each) => each !== null && each.trim() !== "") ?? userName;
  return chosen.slice(0, MAX_INDEXED_LENGTH).toWellFormed();
}
