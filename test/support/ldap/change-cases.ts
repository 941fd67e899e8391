import type { DirectoryDialect } from "./dialect.ts";
import type { Shown } from "./world.ts";

/** A kind of server as far as the cases must know it. */
export interface ServerTraits {
  /** Does the server keep `member` in step with renames and deletions? Otherwise the administrator of the case does. */
  readonly keepsReferences: boolean;
}

/** Each case changes the directory and tells what must be seen then, in every server, both modes and both targets. Cases build on each other. */
export interface ChangeCase {
  readonly title: string;
  readonly ldif: (d: DirectoryDialect, server: ServerTraits) => string;
  /** By the address that the directory has now. */
  readonly seen: Shown;
  /** Of the directory, and of Bitwarden. */
  readonly groups: readonly string[];
  /** A delta learns of it only where the server tells deletions. */
  readonly deletes?: boolean;
  /** The delta poll must read everything. */
  readonly needsFull?: boolean;
}

const mail = (name: string): string => `${name}@example.org`;
const on = (...groups: readonly string[]) => ({ active: true, groups });
const off = (...groups: readonly string[]) => ({ active: false, groups });

/** Everybody of the table has an account in 1Password, which can't invite. */
export const everybody: readonly string[] = ["anna", "ben", "carla", "dora", "emil"].map(mail);

/** The address in the targets: only its owner can change it there, so it stays that of the invitation. */
export const addressInTargets = (address: string): string => (address === mail("benjamin") ? mail("ben") : address);

export const changeCases: readonly ChangeCase[] = [
  {
    title: "people and nested groups",
    ldif: (d) =>
      ["anna", "ben", "carla"].map(d.person).join("") +
      d.group("eng", ["anna", "ben"], []) +
      d.group("all", ["carla"], ["eng"]),
    seen: { [mail("anna")]: on("all", "eng"), [mail("ben")]: on("all", "eng"), [mail("carla")]: on("all") },
    groups: ["all", "eng"],
    needsFull: true,
  },
  {
    title: "a person is added",
    ldif: (d) => d.person("dora"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("ben")]: on("all", "eng"),
      [mail("carla")]: on("all"),
      [mail("dora")]: on(),
    },
    groups: ["all", "eng"],
  },
  {
    title: "an address changes",
    ldif: (d) => d.setMail("ben", mail("benjamin")),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on("all", "eng"),
      [mail("carla")]: on("all"),
      [mail("dora")]: on(),
    },
    groups: ["all", "eng"],
  },
  {
    title: "a member is renamed",
    ldif: (d, { keepsReferences }) =>
      keepsReferences
        ? d.rename("anna", "annette")
        : d.join("eng", "carla") +
          d.leave("eng", "anna") +
          d.rename("anna", "annette") +
          d.join("eng", "annette") +
          d.leave("eng", "carla"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on("all", "eng"),
      [mail("carla")]: on("all"),
      [mail("dora")]: on(),
    },
    groups: ["all", "eng"],
  },
  {
    title: "somebody joins a group",
    ldif: (d) => d.join("eng", "dora"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on("all", "eng"),
      [mail("carla")]: on("all"),
      [mail("dora")]: on("all", "eng"),
    },
    groups: ["all", "eng"],
  },
  {
    title: "somebody leaves a group",
    ldif: (d) => d.leave("eng", "ben"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on(),
      [mail("carla")]: on("all"),
      [mail("dora")]: on("all", "eng"),
    },
    groups: ["all", "eng"],
  },
  {
    title: "a person is disabled",
    ldif: (d) => d.disable("dora"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on(),
      [mail("carla")]: on("all"),
      [mail("dora")]: off("all", "eng"),
    },
    groups: ["all", "eng"],
  },
  {
    title: "and enabled again",
    ldif: (d) => d.enable("dora"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on(),
      [mail("carla")]: on("all"),
      [mail("dora")]: on("all", "eng"),
    },
    groups: ["all", "eng"],
  },
  {
    title: "a container is made and a person moves there",
    ldif: (d) => d.makeUnit() + d.move("ben"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on(),
      [mail("carla")]: on("all"),
      [mail("dora")]: on("all", "eng"),
    },
    groups: ["all", "eng"],
    needsFull: true,
  },
  {
    title: "the container is renamed, then its person joins a group",
    ldif: (d) => d.renameUnit("ben") + d.join("eng", "ben"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on("all", "eng"),
      [mail("carla")]: on("all"),
      [mail("dora")]: on("all", "eng"),
    },
    groups: ["all", "eng"],
    needsFull: true,
  },
  {
    title: "a group is added",
    ldif: (d) => d.group("ops", ["ben"], []),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on("all", "eng", "ops"),
      [mail("carla")]: on("all"),
      [mail("dora")]: on("all", "eng"),
    },
    groups: ["all", "eng", "ops"],
  },
  {
    title: "a group is put into another",
    ldif: (d) => d.nest("ops", "all"),
    seen: {
      [mail("anna")]: on("all", "eng", "ops"),
      [mail("benjamin")]: on("all", "eng", "ops"),
      [mail("carla")]: on("all", "ops"),
      [mail("dora")]: on("all", "eng", "ops"),
    },
    groups: ["all", "eng", "ops"],
  },
  {
    title: "and taken out again",
    ldif: (d) => d.unnest("ops", "all"),
    seen: {
      [mail("anna")]: on("all", "eng"),
      [mail("benjamin")]: on("all", "eng", "ops"),
      [mail("carla")]: on("all"),
      [mail("dora")]: on("all", "eng"),
    },
    groups: ["all", "eng", "ops"],
  },
  {
    title: "a group is renamed",
    ldif: (d) => d.renameGroup("all", "everybody"),
    seen: {
      [mail("anna")]: on("eng", "everybody"),
      [mail("benjamin")]: on("eng", "everybody", "ops"),
      [mail("carla")]: on("everybody"),
      [mail("dora")]: on("eng", "everybody"),
    },
    groups: ["eng", "everybody", "ops"],
  },
  {
    title: "a member is deleted",
    ldif: (d, { keepsReferences }) => (keepsReferences ? d.remove("dora") : d.leave("eng", "dora") + d.remove("dora")),
    seen: {
      [mail("anna")]: on("eng", "everybody"),
      [mail("benjamin")]: on("eng", "everybody", "ops"),
      [mail("carla")]: on("everybody"),
    },
    groups: ["eng", "everybody", "ops"],
    deletes: true,
  },
  {
    title: "and comes back as a new entry",
    ldif: (d) => d.person("dora") + d.join("ops", "dora"),
    seen: {
      [mail("anna")]: on("eng", "everybody"),
      [mail("benjamin")]: on("eng", "everybody", "ops"),
      [mail("carla")]: on("everybody"),
      [mail("dora")]: on("ops"),
    },
    groups: ["eng", "everybody", "ops"],
  },
  {
    title: "a member is deleted and made anew between two polls",
    ldif: (d, { keepsReferences }) =>
      (keepsReferences ? "" : d.leave("ops", "dora")) + d.remove("dora") + d.person("dora"),
    seen: {
      [mail("anna")]: on("eng", "everybody"),
      [mail("benjamin")]: on("eng", "everybody", "ops"),
      [mail("carla")]: on("everybody"),
      [mail("dora")]: on(),
    },
    groups: ["eng", "everybody", "ops"],
    deletes: true,
  },
  {
    title: "and joins again",
    ldif: (d) => d.join("ops", "dora"),
    seen: {
      [mail("anna")]: on("eng", "everybody"),
      [mail("benjamin")]: on("eng", "everybody", "ops"),
      [mail("carla")]: on("everybody"),
      [mail("dora")]: on("ops"),
    },
    groups: ["eng", "everybody", "ops"],
  },
  {
    title: "somebody leaves the filter",
    ldif: (d) => d.describe("carla", "left"),
    seen: {
      [mail("anna")]: on("eng", "everybody"),
      [mail("benjamin")]: on("eng", "everybody", "ops"),
      [mail("dora")]: on("ops"),
    },
    groups: ["eng", "everybody", "ops"],
  },
  {
    title: "and comes back",
    ldif: (d) => d.describe("carla", null),
    seen: {
      [mail("anna")]: on("eng", "everybody"),
      [mail("benjamin")]: on("eng", "everybody", "ops"),
      [mail("carla")]: on("everybody"),
      [mail("dora")]: on("ops"),
    },
    groups: ["eng", "everybody", "ops"],
  },
  {
    title: "a group is deleted",
    ldif: (d) => d.removeGroup("eng"),
    seen: {
      [mail("anna")]: on(),
      [mail("benjamin")]: on("ops"),
      [mail("carla")]: on("everybody"),
      [mail("dora")]: on("ops"),
    },
    groups: ["everybody", "ops"],
    deletes: true,
  },
];
