import { z } from "zod";
import { json, mediaType, Refusal, type SandboxRequest } from "../kit/requests.ts";

type Errors = Readonly<Record<string, readonly string[]>>;

/** The public API's error body (src/Api/Models/Public/Response/ErrorResponseModel.cs). */
function apiError(status: number, message: string, errors: Errors | null = null): Refusal {
  return new Refusal(json(status, { object: "error", message, errors }));
}

export function badRequest(message: string): Refusal {
  return apiError(400, message);
}

/** Validation errors. The keys are the C# names in PascalCase. */
export function invalidModel(errors: Errors): Refusal {
  return apiError(400, "The request's model state is invalid.", errors);
}

/** NotFoundException of a command. An unknown id in the path is an empty 404 instead. */
export function commandNotFound(): Refusal {
  return apiError(404, "Resource not found.");
}

export function unhandled(): Refusal {
  return apiError(500, "An unhandled server error has occurred.");
}

/** Returns the body as a schema of this file reads it. Throws a 415 or 400. */
export function readBody<Output>({ headers, body }: SandboxRequest, schema: z.ZodType<Output>): Output {
  const isJson = /^(application|text)\/json$|^application\/[\w.-]+\+json$/.test(mediaType(headers));
  if (!isJson && (body !== "" || headers["content-type"] !== undefined)) throw new Refusal({ status: 415 });
  if (body === "") throw invalidModel({ "": ["A non-empty request body is required."] });
  const { data, error } = schema.safeParse(parsed(body));
  if (error !== undefined) throw refusalOf(error.issues);
  return data;
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // System.Text.Json says where. No client may depend on the text.
    throw unreadable("$", "The JSON value is malformed. Path: $ | LineNumber: 0 | BytePositionInLine: 0.");
  }
}

function unreadable(key: string, text: string): Refusal {
  return invalidModel({ [key]: [text], model: ["The model field is required."] });
}

const missingProperties = "JSON deserialization for the model was missing required properties";

/**
 * Returns the answer to an invalid model. `custom` issues are errors of validation, and all are reported. All other
 * issues have the expected C# type as message. System.Text.Json stops at the first, so only that one is reported.
 */
function refusalOf(issues: readonly z.core.$ZodIssue[]): Refusal {
  const missing = issues.find(({ message }) => message.startsWith(missingProperties));
  if (missing !== undefined) return unreadable("$", missing.message);
  const wrongType = issues.find(({ code }) => code !== "custom");
  if (wrongType !== undefined) {
    const path = `$${joined(wrongType.path, String)}`;
    const text = `The JSON value could not be converted to ${wrongType.message}.`;
    return unreadable(path, `${text} Path: ${path} | LineNumber: 0 | BytePositionInLine: 0.`);
  }
  const texts = ([key, found]: readonly [string, typeof issues]) => [
    key,
    found.map(({ message, path }) => message.replace("{0}", pascalCase(path.at(-1) ?? ""))),
  ];
  const byKey = Map.groupBy(issues, ({ path }) => joined(path, pascalCase).slice(1));
  return invalidModel(Object.fromEntries([...byKey].map(texts)));
}

function joined(path: readonly PropertyKey[], nameOf: (name: PropertyKey) => string): string {
  return path.map((part) => (typeof part === "number" ? `[${part}]` : `.${nameOf(part)}`)).join("");
}

function pascalCase(name: PropertyKey): string {
  return String(name).replace(/^./, (first) => first.toUpperCase());
}

/** An object. Its property names are case-insensitive (ASP.NET Core's web defaults). */
export function model<Shape extends z.ZodRawShape>(shape: Shape) {
  const names = new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name]));
  const rename = (value: unknown): unknown =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).map(([name, field]) => [names.get(name.toLowerCase()) ?? name, field]))
      : value;
  return z.preprocess(rename, z.object(shape, "the model"));
}

/** A C# property with the keyword `required`: null is allowed when `type` allows it, absence is not. */
export function requiredProperty(name: string, type: string): z.core.$ZodErrorMap {
  return ({ input }) => (input === undefined ? `${missingProperties} including: '${name}'.` : type);
}

/** A list, or null when absent or null. */
export function list<Item extends z.ZodType>(item: Item) {
  return z
    .array(item, "an array")
    .nullish()
    .transform((value) => value ?? null);
}

const isRequired = "The {0} field is required.";

/** An attribute of System.ComponentModel.DataAnnotations. In its error text, `{0}` is the property. */
interface Attribute {
  readonly error: string;
  readonly isValid: (value: string) => boolean;
}

const required: Attribute = { error: isRequired, isValid: (value) => value.trim() !== "" };

export function maxLength(limit: number): Attribute {
  const error = `The field {0} must be a string with a maximum length of ${limit}.`;
  return { error, isValid: (value) => value.length <= limit };
}

/** EmailAddressAttribute of .NET: one @, neither first nor last. */
export const emailAddress: Attribute = {
  error: "The {0} field is not a valid e-mail address.",
  isValid: (value) => value === "" || /^[^@\r\n]+@[^@\r\n]+$/.test(value),
};

// src/Core/Utilities/EmailValidation.cs: ASCII local part, anything in the domain, a dot, letters at the end.
// Before that, MimeKit's parser refuses spaces and the characters that separate addresses.
export const strictEmailAddress: Attribute = {
  error: "The {0} field is not a supported e-mail address format.",
  isValid: (value) => /^[\x21-\x7F]+@[^\s@]+\.\p{L}+$/u.test(value) && !/@.*@|[<>(),;:[\]\\"]|^\.|\.\.|\.@/.test(value),
};

/** A text, or null when absent or null. */
export function text(...attributes: readonly Attribute[]) {
  return attributes
    .reduce(
      (type, { error, isValid }) => type.refine((value) => isValid(value ?? ""), error),
      z.string("System.String").nullish(),
    )
    .transform((value) => value ?? null);
}

export function requiredText(...attributes: readonly Attribute[]) {
  return text(required, ...attributes).transform((value) => value ?? "");
}

/** Makes null and absence errors of validation. */
export function requiredValue<Type extends z.ZodType>(type: Type): Type {
  return type.refine((value) => value !== undefined && value !== null, isRequired);
}

/** A whole number, or null when absent or null. */
export const integer = z
  .number("System.Int32")
  .multipleOf(1, "System.Int32")
  .nullish()
  .transform((value) => value ?? null);

export const flag = z.boolean("System.Boolean").default(false);

const guidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const guid = z.string("System.Guid").regex(guidPattern, "System.Guid").toLowerCase();

/** Ids, or null when absent or null. */
export const guids = list(guid);

/** Returns the id of a path in lower case. Throws a 400 when it is not a GUID. */
export function pathGuid(given: string): string {
  if (!guidPattern.test(given)) throw invalidModel({ id: [`The value '${given}' is not valid.`] });
  return given.toLowerCase();
}

/** Returns the entity of a path. Throws an empty 404 when there is none. */
export function pathEntity<Key, Entity>(entities: ReadonlyMap<Key, Entity>, key: Key): Entity {
  const found = entities.get(key);
  if (found === undefined) throw new Refusal({ status: 404 });
  return found;
}

/** AssociationWithPermissionsRequestModel. */
export const collections = list(
  model({
    id: requiredValue(guid.nullish()).transform((value) => value ?? ""),
    readOnly: requiredValue(z.boolean("System.Boolean").nullish()).transform((value) => value ?? false),
    hidePasswords: flag.nullable().transform((value) => value ?? false),
    manage: flag.nullable().transform((value) => value ?? false),
  }),
);

/** PermissionsModel.cs, in its order. */
export const permissions = model({
  accessEventLogs: flag,
  accessImportExport: flag,
  accessReports: flag,
  createNewCollections: flag,
  editAnyCollection: flag,
  deleteAnyCollection: flag,
  manageGroups: flag,
  managePolicies: flag,
  manageSso: flag,
  manageUsers: flag,
  manageResetPassword: flag,
  manageScim: flag,
  manageAccessRules: flag,
});
export type Permissions = Readonly<z.output<typeof permissions>>;
