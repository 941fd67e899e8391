import type { DirectoryDialect } from "./dialect.ts";
import type { ShownUser } from "./world.ts";

export interface ServerTraits {
  /** True if the server changes `member` after a rename or a deletion. Otherwise the case does it. */
  readonly keepsReferences: boolean;
}

/** One change of the directory, and what it changes for each user. */
interface Step {
  readonly title: string;
  readonly ldif: (dialect: DirectoryDialect, server: ServerTraits) => string;
  /** Users who differ after this step, by the local part of their address. Null: gone. */
  readonly users: Readonly<Record<string, ShownUser | null>>;
  /** Names of all groups, if they differ. */
  readonly groups?: readonly string[];
  /** True if a delta finds the change only on servers that list deletions. */
  readonly deletes?: boolean;
  /** True if the delta poll must read everything. */
  readonly needsFull?: boolean;
}

/** A step with the whole directory after it: the same on each server, by full polls and by delta polls. */
export interface ChangeCase extends Required<Omit<Step, "users">> {
  readonly people: Readonly<Record<string, ShownUser>>;
}

const mail = (name: string): string => `${name}@example.org`;
const active = (...groups: readonly string[]): ShownUser => ({ active: true, groups });

/** All users of the table. They have an account in 1Password already, because it can't invite. */
export const everybody: readonly string[] = ["anna", "ben", "carla", "dora", "emil"].map(mail);

/** The address in the targets. It stays the invited one, because only its owner can change it there. */
export const addressInTargets = (address: string): string => (address === mail("benjamin") ? mail("ben") : address);

const steps: readonly Step[] = [
  {
    title: "people and nested groups are added",
    ldif: (d) =>
      ["anna", "ben", "carla"].map(d.person).join("") +
      d.group("eng", ["anna", "ben"], []) +
      d.group("all", ["carla"], ["eng"]),
    users: { anna: active("all", "eng"), ben: active("all", "eng"), carla: active("all") },
    groups: ["all", "eng"],
    needsFull: true,
  },
  { title: "a person is added", ldif: (d) => d.person("dora"), users: { dora: active() } },
  {
    title: "an address changes",
    ldif: (d) => d.setMail("ben", mail("benjamin")),
    users: { ben: null, benjamin: active("all", "eng") },
  },
  {
    title: "a renamed member stays a member",
    ldif: (d, { keepsReferences }) =>
      keepsReferences
        ? d.rename("anna", "annette")
        : d.join("eng", "carla") +
          d.leave("eng", "anna") +
          d.rename("anna", "annette") +
          d.join("eng", "annette") +
          d.leave("eng", "carla"),
    users: {},
  },
  {
    title: "a person joins a group",
    ldif: (d) => d.join("eng", "dora"),
    users: { dora: active("all", "eng") },
  },
  { title: "a person leaves a group", ldif: (d) => d.leave("eng", "ben"), users: { benjamin: active() } },
  {
    title: "a person is disabled",
    ldif: (d) => d.disable("dora"),
    users: { dora: { active: false, groups: ["all", "eng"] } },
  },
  { title: "a person is enabled again", ldif: (d) => d.enable("dora"), users: { dora: active("all", "eng") } },
  {
    title: "a container is added and a person moves there",
    ldif: (d) => d.makeUnit() + d.move("ben"),
    users: {},
    needsFull: true,
  },
  {
    title: "the container is renamed, then its person joins a group",
    ldif: (d) => d.renameUnit("ben") + d.join("eng", "ben"),
    users: { benjamin: active("all", "eng") },
    needsFull: true,
  },
  {
    title: "a group is added",
    ldif: (d) => d.group("ops", ["ben"], []),
    users: { benjamin: active("all", "eng", "ops") },
    groups: ["all", "eng", "ops"],
  },
  {
    title: "a group becomes a member of another",
    ldif: (d) => d.nest("all", "ops"),
    users: { anna: active("all", "eng", "ops"), carla: active("all", "ops"), dora: active("all", "eng", "ops") },
  },
  {
    title: "a group leaves the other group",
    ldif: (d) => d.unnest("all", "ops"),
    users: { anna: active("all", "eng"), carla: active("all"), dora: active("all", "eng") },
  },
  {
    title: "a group is renamed",
    ldif: (d) => d.renameGroup("all", "everybody"),
    users: {
      anna: active("eng", "everybody"),
      benjamin: active("eng", "everybody", "ops"),
      carla: active("everybody"),
      dora: active("eng", "everybody"),
    },
    groups: ["eng", "everybody", "ops"],
  },
  {
    title: "a member is deleted",
    ldif: (d, { keepsReferences }) => (keepsReferences ? d.remove("dora") : d.leave("eng", "dora") + d.remove("dora")),
    users: { dora: null },
    deletes: true,
  },
  {
    title: "a deleted member comes back as a new entry",
    ldif: (d) => d.person("dora") + d.join("ops", "dora"),
    users: { dora: active("ops") },
  },
  {
    title: "a member is deleted and added again between two polls",
    ldif: (d, { keepsReferences }) =>
      (keepsReferences ? "" : d.leave("ops", "dora")) + d.remove("dora") + d.person("dora"),
    users: { dora: active() },
    deletes: true,
  },
  { title: "the new entry joins again", ldif: (d) => d.join("ops", "dora"), users: { dora: active("ops") } },
  {
    title: "a person no longer matches the filter",
    ldif: (d) => d.describe("carla", "left"),
    users: { carla: null },
  },
  {
    title: "a person matches the filter again",
    ldif: (d) => d.describe("carla", null),
    users: { carla: active("everybody") },
  },
  {
    title: "a group is deleted",
    ldif: (d) => d.removeGroup("eng"),
    users: { anna: active(), benjamin: active("ops") },
    groups: ["everybody", "ops"],
    deletes: true,
  },
];

const people = new Map<string, ShownUser>();
let groups: readonly string[] = [];
/** Each case starts from the directory of the one before. */
export const changeCases: readonly ChangeCase[] = steps.map((step) => {
  for (const [name, shown] of Object.entries(step.users)) {
    if (shown === null) people.delete(mail(name));
    else people.set(mail(name), shown);
  }
  groups = step.groups ?? groups;
  return { deletes: false, needsFull: false, ...step, groups, people: Object.fromEntries(people) };
});
