import SCIMMY from "scimmy";

/** RFC 7643 §2.3. */
export type AttributeType =
  | "string"
  | "boolean"
  | "integer"
  | "decimal"
  | "dateTime"
  | "reference"
  | "binary"
  | "complex";

/** One attribute of a schema, with what the hot paths ask for precomputed from scimmy's definitions. */
export interface Attribute {
  readonly name: string;
  readonly type: AttributeType;
  readonly isMultiValued: boolean;
  readonly isCaseExact: boolean;
  readonly isReadOnly: boolean;
  /** By lower-case name; null unless complex. */
  readonly subs: ReadonlyMap<string, Attribute> | null;
  /** The sub-attribute meant when a complex attribute is compared as a whole: `value`, where there is one. */
  readonly valueSub: Attribute | null;
}

export type Attributes = ReadonlyMap<string, Attribute>;

/** A resource type: its core attributes and its extensions, by lower-case names. */
export interface ResourceSchema {
  readonly name: "User" | "Group";
  readonly endpoint: "/Users" | "/Groups";
  readonly urn: string;
  readonly attributes: Attributes;
  readonly extensions: readonly Extension[];
  /** Lower-case URNs, misspellings of identity providers included, and the extension each names; null is the core schema. */
  readonly urns: ReadonlyMap<string, Extension | null>;
  /** What this server writes by itself: `groups` of a person, `members` of a group. */
  readonly references: "groups" | "members";
}

export interface Extension {
  readonly urn: string;
  readonly attributes: Attributes;
}

/** RFC 7643 §7 as scimmy's `describe()` gives it. */
interface Description {
  readonly name: string;
  readonly type: AttributeType;
  readonly multiValued: boolean;
  readonly caseExact?: boolean;
  readonly mutability: string;
  readonly subAttributes?: readonly Description[];
}

function toAttribute(description: Description): Attribute {
  const subs = description.subAttributes === undefined ? null : toAttributes(description.subAttributes);
  return {
    name: description.name,
    type: description.type,
    isMultiValued: description.multiValued,
    isCaseExact: description.caseExact ?? false,
    isReadOnly: description.mutability === "readOnly",
    subs,
    valueSub: subs?.get("value") ?? null,
  };
}

const toAttributes = (descriptions: readonly Description[]): Map<string, Attribute> =>
  new Map(descriptions.map((each) => [each.name.toLowerCase(), toAttribute(each)]));

const describe = (definition: { describe(basepath?: string): object }): Map<string, Attribute> =>
  toAttributes((JSON.parse(JSON.stringify(definition.describe())) as { attributes: Description[] }).attributes);

const readOnly = (
  name: string,
  type: AttributeType,
  isCaseExact: boolean,
  subs: readonly Attribute[] | null = null,
): Attribute => ({
  name,
  type,
  isMultiValued: false,
  isCaseExact,
  isReadOnly: true,
  subs: subs === null ? null : new Map(subs.map((each) => [each.name.toLowerCase(), each])),
  valueSub: null,
});

/** RFC 7643 §3.1: attributes that each resource has and no schema lists. */
const COMMON: readonly Attribute[] = [
  { ...readOnly("schemas", "reference", true), isMultiValued: true },
  readOnly("id", "string", true),
  { ...readOnly("externalId", "string", true), isReadOnly: false },
  readOnly("meta", "complex", true, [
    readOnly("resourceType", "string", true),
    readOnly("created", "dateTime", true),
    readOnly("lastModified", "dateTime", true),
    readOnly("location", "reference", true),
    readOnly("version", "string", true),
  ]),
];

/** Entra drops a colon: `…enterprise:2.0User` (requirement 16). */
const spellings = (urn: string): string[] => [urn.toLowerCase(), urn.toLowerCase().replace(/:2\.0:/, ":2.0")];

function toSchema(
  names: Pick<ResourceSchema, "name" | "endpoint" | "urn" | "references">,
  core: Map<string, Attribute>,
  extensions: readonly Extension[],
): ResourceSchema {
  for (const attribute of COMMON) core.set(attribute.name.toLowerCase(), attribute);
  const urns = new Map<string, Extension | null>();
  for (const spelling of spellings(names.urn)) urns.set(spelling, null);
  for (const extension of extensions) for (const spelling of spellings(extension.urn)) urns.set(spelling, extension);
  return { ...names, attributes: core, extensions, urns };
}

const { User, Group, EnterpriseUser } = SCIMMY.Schemas;

/**
 * Makes scimmy's definitions say what this server does, before anything is derived from them: conformance suites build
 * their tests from `/Schemas`. Passwords are never kept, so none is offered; ids compare exactly; members are people;
 * what the server derives is read-only.
 */
function makeTrue(): void {
  User.definition.truncate("password");
  for (const [definition, path] of [
    [User.definition, "groups.value"],
    [EnterpriseUser.definition, "manager.value"],
    [Group.definition, "members.value"],
  ] as const) {
    attributeOf(definition, path).config["caseExact"] = true;
  }
  for (const path of ["members.display", "members.$ref"]) attributeOf(Group.definition, path).config["mutable"] = false;
  attributeOf(Group.definition, "members.$ref").config["referenceTypes"] = ["User"];
  attributeOf(Group.definition, "members.type").config["canonicalValues"] = ["User"];
  attributeOf(User.definition, "groups.$ref").config["referenceTypes"] = ["Group"];
}

type Definition = typeof User.definition;

/** scimmy's typings leave `config` out. */
export const attributeOf = (definition: Definition, path: string): { config: Record<string, unknown> } =>
  definition.attribute(path) as unknown as { config: Record<string, unknown> };

makeTrue();

/** RFC 7643 §4.3. */
export const ENTERPRISE_URN: string = EnterpriseUser.definition.id;

/** RFC 7643 §4.1 and §4.3. */
export const USER_SCHEMA: ResourceSchema = toSchema(
  { name: "User", endpoint: "/Users", urn: User.definition.id, references: "groups" },
  describe(User.definition),
  [{ urn: ENTERPRISE_URN, attributes: describe(EnterpriseUser.definition) }],
);

/** RFC 7643 §4.2. */
export const GROUP_SCHEMA: ResourceSchema = toSchema(
  { name: "Group", endpoint: "/Groups", urn: Group.definition.id, references: "members" },
  describe(Group.definition),
  [],
);
