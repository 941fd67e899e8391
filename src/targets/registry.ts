import type { EntityKind } from "../domain/model/entities.ts";
import type { ProductWords } from "../text/changes.ts";
import { bitwarden } from "./bitwarden/definition.ts";
import type { TargetDefinition } from "./definition.ts";
import { onePassword } from "./onepassword/definition.ts";

/** Every type of target. A new one is one more member here. */
export const targetDefinitions: readonly [TargetDefinition, ...TargetDefinition[]] = [bitwarden, onePassword];

/** The values of the key `type`. */
export const targetTypes: readonly string[] = targetDefinitions.map(({ type }) => type);

/** Returns the definition of a type. Undefined for a type that this version does not know. */
export const definitionOf = (type: string): TargetDefinition | undefined =>
  targetDefinitions.find((definition) => definition.type === type);

/** Returns "Bitwarden" for "bitwarden". An unknown type stays as it is. */
export const productOf = (type: string): string => definitionOf(type)?.product ?? type;

/** Returns the product of a type and its own words for operations and states. */
export const wordsOf = (type: string): ProductWords =>
  definitionOf(type) ?? { product: type, operationNames: {}, stateNames: {} };

/** "Bitwarden or 1Password". */
export const productNames = targetDefinitions
  .map(({ product }) => product)
  .join(", ")
  .replace(/, (?=[^,]*$)/, " or ");

/** Returns what a target of this type can hold. */
export const kindsOf = (type: string): readonly EntityKind[] =>
  definitionOf(type)?.abilities.groups === false ? ["user"] : ["user", "group"];

/** Keys of `targets.NAME` that say where requests go, over all types. */
export const placeKeys: readonly string[] = [...new Set(targetDefinitions.flatMap((each) => each.placeKeys))];

/** Keys of credentials, over all types. `clientSecret` is the last. */
export const credentialKeys: readonly string[] = [
  ...new Set([
    ...targetDefinitions.flatMap((each) => each.credentialKeys).filter((key) => key !== "clientSecret"),
    "clientSecret",
  ]),
];
