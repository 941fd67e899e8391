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

/** One attribute of a schema. Computed once from scimmy's definitions, because every request reads it. */
export interface Attribute {
  readonly name: string;
  readonly type: AttributeType;
  readonly isMultiValued: boolean;
  readonly isCaseExact: boolean;
  readonly isReadOnly: boolean;
  /** By lower-case name; null unless complex. */
  readonly subs: ReadonlyMap<string, Attribute> | null;
  /** The sub-attribute that stands for a complex attribute in a comparison: `value`, if it has one. */
  readonly valueSub: Attribute | null;
}

export type Attributes = ReadonlyMap<string, Attribute>;

/** A resource type: its core attributes by lower-case name, and its extensions. */
export interface ResourceSchema {
  readonly name: "User" | "Group";
  readonly endpoint: "/Users" | "/Groups";
  readonly urn: string;
  readonly attributes: Attributes;
  readonly extensions: readonly Extension[];
  /** Extensions by lower-case URN, with the misspelt URNs of identity providers. Null is the core schema. */
  readonly urns: ReadonlyMap<string, Extension | null>;
  /** The attribute that this server stores as memberships: `groups` of a user, `members` of a group. */
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

type Definition = typeof SCIMMY.Schemas.User.definition;

/** An extension does not have the attributes that scimmy gives to every definition: `id`, `externalId`, `meta`, `schemas`. */
function describe(definition: Definition, isExtension = false): Map<string, Attribute> {
  const attributes = definition.attributes.filter(({ config }) => !(isExtension && config["shadow"] === true));
  return toAttributes(JSON.parse(JSON.stringify(attributes)) as Description[]);
}

/** Entra ID drops a colon: `…enterprise:2.0User`. */
const spellings = (urn: string): string[] => [urn.toLowerCase(), urn.toLowerCase().replace(/:2\.0:/, ":2.0")];

function toSchema(
  names: Pick<ResourceSchema, "name" | "endpoint" | "urn" | "references">,
  attributes: Attributes,
  extensions: readonly Extension[],
): ResourceSchema {
  const urns = new Map<string, Extension | null>();
  for (const spelling of spellings(names.urn)) urns.set(spelling, null);
  for (const extension of extensions) for (const spelling of spellings(extension.urn)) urns.set(spelling, extension);
  return { ...names, attributes, extensions, urns };
}

const { User, Group, EnterpriseUser } = SCIMMY.Schemas;

/**
 * Changes scimmy's definitions to what this server does, before anything is derived from them: conformance suites build
 * their tests from `/Schemas`. Passwords are not stored, ids compare exactly, members are users, and attributes that the
 * server derives are read-only.
 */
function adaptDefinitions(): void {
  User.definition.truncate("password");
  for (const [definition, path] of [
    [User.definition, "groups.value"],
    [EnterpriseUser.definition, "manager.value"],
    [Group.definition, "members.value"],
  ] as const) {
    attributeOf(definition, path).config["caseExact"] = true;
  }
  for (const definition of [User.definition, Group.definition]) {
    for (const path of ["schemas", "meta.location", "meta.version"])
      attributeOf(definition, path).config["caseExact"] = true;
    attributeOf(definition, "schemas").config["mutable"] = false;
  }
  for (const path of ["members.display", "members.$ref"]) attributeOf(Group.definition, path).config["mutable"] = false;
  attributeOf(Group.definition, "members.$ref").config["referenceTypes"] = ["User"];
  attributeOf(Group.definition, "members.type").config["canonicalValues"] = ["User"];
  attributeOf(User.definition, "groups.$ref").config["referenceTypes"] = ["Group"];
}

/** scimmy's typings leave `config` out. */
export const attributeOf = (definition: Definition, path: string): { config: Record<string, unknown> } =>
  definition.attribute(path) as unknown as { config: Record<string, unknown> };

adaptDefinitions();

/** RFC 7643 §4.3. */
export const ENTERPRISE_URN: string = EnterpriseUser.definition.id;

/** RFC 7643 §4.1 and §4.3. */
export const USER_SCHEMA: ResourceSchema = toSchema(
  { name: "User", endpoint: "/Users", urn: User.definition.id, references: "groups" },
  describe(User.definition),
  [{ urn: ENTERPRISE_URN, attributes: describe(EnterpriseUser.definition, true) }],
);

/** RFC 7643 §4.2. */
export const GROUP_SCHEMA: ResourceSchema = toSchema(
  { name: "Group", endpoint: "/Groups", urn: Group.definition.id, references: "members" },
  describe(Group.definition),
  [],
);
