import { empty, json, mediaType, Refusal, type SandboxRequest } from "../kit/http.ts";
import { type CollectionAccess, type MemberType, memberType, type Permissions, permissionNames } from "./model.ts";

/** A parsed JSON object; property names are case-insensitive (ASP.NET Core's web defaults). */
export type Fields = ReadonlyMap<string, unknown>;

/** The public API's error body (src/Api/Models/Public/Response/ErrorResponseModel.cs). */
export function badRequest(
  message: string,
  errors: Readonly<Record<string, readonly string[]>> | null = null,
): Refusal {
  return new Refusal(json(400, { object: "error", message, errors }));
}

/** NotFoundException of a command. An unknown id in the path is an empty 404 instead. */
export function commandNotFound(): Refusal {
  return new Refusal(json(404, { object: "error", message: "Resource not found.", errors: null }));
}

export function unhandled(): Refusal {
  return new Refusal(json(500, { object: "error", message: "An unhandled server error has occurred.", errors: null }));
}

/** Collects validation errors. The keys are the C# names in PascalCase. */
export class ModelState {
  readonly #errors: Record<string, string[]> = {};

  add(key: string, text: string): void {
    this.#errors[key] = [...(this.#errors[key] ?? []), text];
  }

  /** Throws a 400 when an error was added. */
  check(): void {
    if (Object.keys(this.#errors).length > 0) throw invalidModel(this.#errors);
  }
}

function invalidModel(errors: Readonly<Record<string, readonly string[]>>): Refusal {
  return badRequest("The request's model state is invalid.", errors);
}

/** System.Text.Json stops at the first error, so only that one is reported. */
function unreadable(key: string, text: string): Refusal {
  return invalidModel({ [key]: [text], model: ["The model field is required."] });
}

function unconvertible(path: string, type: string): Refusal {
  return unreadable(
    path,
    `The JSON value could not be converted to ${type}. Path: ${path} | LineNumber: 0 | BytePositionInLine: 0.`,
  );
}

/** Returns the body as an object. Throws a 415 or 400. */
export function readBodyObject(request: SandboxRequest): Fields {
  if (request.body === "") {
    if (request.headers["content-type"] !== undefined && !isJson(request)) throw new Refusal(empty(415));
    throw invalidModel({ "": ["A non-empty request body is required."] });
  }
  if (!isJson(request)) throw new Refusal(empty(415));
  let value: unknown;
  try {
    value = JSON.parse(request.body);
  } catch {
    // System.Text.Json says where. No client may depend on the text.
    throw unreadable("$", "The JSON value is malformed. Path: $ | LineNumber: 0 | BytePositionInLine: 0.");
  }
  return asObject(value, "$");
}

function isJson(request: SandboxRequest): boolean {
  const type = mediaType(request.headers);
  return type === "application/json" || type === "text/json" || /^application\/[\w.-]+\+json$/.test(type);
}

export function asObject(value: unknown, path: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw unconvertible(path, "the model");
  return new Map(Object.entries(value).map(([name, field]) => [name.toLowerCase(), field]));
}

function get(fields: Fields, name: string): unknown {
  return fields.get(name.toLowerCase());
}

export function readString(fields: Fields, name: string, path = "$"): string | null {
  const value = get(fields, name);
  if (value === undefined || value === null) return null;
  if (typeof value !== "string") throw unconvertible(`${path}.${name}`, "System.String");
  return value;
}

/** PermissiveStringConverter: a string or a number. */
export function readPermissiveString(fields: Fields, name: string, path: string): string | null {
  const value = get(fields, name);
  return typeof value === "number" ? String(value) : readString(fields, name, path);
}

export function readBoolean(fields: Fields, name: string, path = "$"): boolean | undefined {
  const value = get(fields, name);
  if (value === undefined) return undefined;
  if (typeof value !== "boolean") throw unconvertible(`${path}.${name}`, "System.Boolean");
  return value;
}

/** Checks a C# `required` property. Throws a 400 with the key `$`. */
export function requiredProperty(fields: Fields, name: string): void {
  if (get(fields, name) === undefined) {
    throw unreadable("$", `JSON deserialization for the model was missing required properties including: '${name}'.`);
  }
}

export function readNumber(fields: Fields, name: string, path = "$"): number | null {
  const value = get(fields, name);
  if (value === undefined || value === null) return null;
  if (typeof value !== "number" || !Number.isInteger(value)) throw unconvertible(`${path}.${name}`, "System.Int32");
  return value;
}

/** An array, or null when absent or null. */
export function readArray(fields: Fields, name: string, path = "$"): readonly unknown[] | null {
  const value = get(fields, name);
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value)) throw unconvertible(`${path}.${name}`, "an array");
  return value;
}

const guidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function readGuid(value: unknown, path: string): string {
  if (typeof value !== "string" || !guidPattern.test(value)) throw unconvertible(path, "System.Guid");
  return value.toLowerCase();
}

export function readGuids(fields: Fields, name: string): readonly string[] | null {
  return readArray(fields, name)?.map((value, index) => readGuid(value, `$.${name}[${index}]`)) ?? null;
}

/** Returns the id of a path in lower case. Throws a 400 when it is not a GUID. */
export function pathGuid(text: string): string {
  if (!guidPattern.test(text)) throw invalidModel({ id: [`The value '${text}' is not valid.`] });
  return text.toLowerCase();
}

/** Returns the entity of a path. Throws a 400 when the id is not a GUID, an empty 404 when it is unknown. */
export function pathEntity<Entity>(entities: ReadonlyMap<string, Entity>, id: string): Entity {
  const found = entities.get(pathGuid(id));
  if (found === undefined) throw new Refusal(empty(404));
  return found;
}

/** Throws a 400 when one access both manages a collection and is limited in it. */
export function checkManage(collections: readonly CollectionAccess[] = []): void {
  if (collections.some((access) => access.manage && (access.readOnly || access.hidePasswords))) {
    throw badRequest(
      "The Manage property is mutually exclusive and cannot be true while the ReadOnly or HidePasswords properties are also true.",
    );
  }
}

export function checkLength(state: ModelState, key: string, value: string | null, limit: number): void {
  if (value !== null && value.length > limit) {
    const field = key.slice(key.lastIndexOf(".") + 1);
    state.add(key, `The field ${field} must be a string with a maximum length of ${limit}.`);
  }
}

/** EmailAddressAttribute of .NET: one @, neither first nor last. */
export function isEmailAddress(email: string): boolean {
  const at = email.indexOf("@");
  return at > 0 && at < email.length - 1 && at === email.lastIndexOf("@") && !/[\r\n]/.test(email);
}

// src/Core/Utilities/EmailValidation.cs: ASCII local part, anything in the domain, a dot, letters at the end.
// Before that, MimeKit's parser refuses spaces and the characters that separate addresses.
const strictEmail = /^[\x21-\x7F]+@[^\s@]+\.\p{L}+$/u;

export function isStrictEmailAddress(email: string): boolean {
  return strictEmail.test(email) && isEmailAddress(email) && !/[<>(),;:[\]\\"]|^\.|\.\.|\.@/.test(email);
}

/** PUT's model; `undefined` is "absent or null". */
export interface MemberUpdate {
  readonly type: MemberType;
  readonly externalId: string | null;
  readonly permissions: Permissions | undefined;
  readonly collections: readonly CollectionAccess[] | undefined;
  readonly groups: readonly string[] | undefined;
}

export function readMemberUpdate(fields: Fields): MemberUpdate {
  const state = new ModelState();
  const update = memberUpdate(fields, state);
  state.check();
  return update;
}

export function readMemberCreate(fields: Fields): MemberUpdate & { readonly email: string } {
  const state = new ModelState();
  const update = memberUpdate(fields, state);
  const email = readString(fields, "email");
  if (email === null || email.trim() === "") state.add("Email", "The Email field is required.");
  if (email === null || !isStrictEmailAddress(email))
    state.add("Email", "The Email field is not a supported e-mail address format.");
  checkLength(state, "Email", email, 256);
  state.check();
  return { ...update, email: email ?? "" };
}

function memberUpdate(fields: Fields, state: ModelState): MemberUpdate {
  requiredProperty(fields, "type");
  const type = readNumber(fields, "type");
  const known = Object.values(memberType).find((value) => value === type);
  if (type === null) state.add("Type", "The Type field is required.");
  else if (known === undefined) state.add("Type", "The field Type is invalid.");
  const externalId = readString(fields, "externalId");
  checkLength(state, "ExternalId", externalId, 300);
  const permissions = readPermissions(fields);
  if (permissions !== undefined && known !== memberType.custom)
    state.add("", "Only users with the Custom role may use custom permissions.");
  return {
    type: known ?? memberType.user,
    externalId,
    permissions,
    collections: readCollections(fields),
    groups: readGuids(fields, "groups") ?? undefined,
  };
}

function readPermissions(fields: Fields): Permissions | undefined {
  const value = get(fields, "permissions");
  if (value === undefined || value === null) return undefined;
  const given = asObject(value, "$.permissions");
  return Object.fromEntries(
    permissionNames.map((name) => [name, readBoolean(given, name, "$.permissions") ?? false]),
  ) as Permissions;
}

/** AssociationWithPermissionsRequestModel: id and readOnly are required. */
export function readCollections(fields: Fields, name = "collections"): readonly CollectionAccess[] | undefined {
  return readArray(fields, name)?.map((value, index) => {
    const path = `$.${name}[${index}]`;
    const given = asObject(value, path);
    const key = `${name.charAt(0).toUpperCase()}${name.slice(1)}[${index}]`;
    const state = new ModelState();
    if (given.get("id") === undefined || given.get("id") === null) state.add(`${key}.Id`, "The Id field is required.");
    const readOnly = given.get("readonly") === null ? undefined : readBoolean(given, "readOnly", path);
    if (readOnly === undefined) state.add(`${key}.ReadOnly`, "The ReadOnly field is required.");
    state.check();
    return {
      id: readGuid(given.get("id"), `${path}.id`),
      readOnly: readOnly ?? false,
      hidePasswords: given.get("hidepasswords") === null ? false : (readBoolean(given, "hidePasswords", path) ?? false),
      manage: given.get("manage") === null ? false : (readBoolean(given, "manage", path) ?? false),
    };
  });
}

export interface GroupWrite {
  readonly name: string;
  readonly externalId: string | null;
  readonly collections: readonly CollectionAccess[] | undefined;
}

export function readGroupWrite(fields: Fields): GroupWrite {
  const state = new ModelState();
  const name = readString(fields, "name");
  if (name === null || name.trim() === "") state.add("Name", "The Name field is required.");
  checkLength(state, "Name", name, 100);
  const externalId = readString(fields, "externalId");
  checkLength(state, "ExternalId", externalId, 300);
  const collections = readCollections(fields);
  state.check();
  return { name: name ?? "", externalId, collections };
}
