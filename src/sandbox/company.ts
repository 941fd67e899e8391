import { createHash } from "node:crypto";
import { memberType } from "./bitwarden/model.ts";
import type { BitwardenState } from "./bitwarden/state.ts";
import type { OnePasswordState } from "./onepassword/state.ts";

const groupNames = { E: "Engineering", O: "Operations", P: "Product", S: "Security" };

// Given name, family name, groups by first letter, title.
const table = `
  Grace     Hopper     -  Managing director
  Ada       Lovelace   EP Head of engineering
  Alan      Turing     ES Staff engineer
  Barbara   Liskov     E  Staff engineer
  Edsger    Dijkstra   E  Engineer
  Radia     Perlman    EO Network engineer
  Donald    Knuth      E  Engineer
  Frances   Allen      E  Engineer
  Tony      Hoare      E  Engineer
  Katherine Johnson    O  Analyst
  Dorothy   Vaughan    O  Head of operations
  Mary      Jackson    O  Operations
  Claude    Shannon    O  Operations
  Hedy      Lamarr     O  Radio
  Annie     Easley     P  Product manager
  Niklaus   Wirth      P  Designer
  Karen     Jones      P  Product manager
  Whitfield Diffie     S  Head of security
  Joan      Clarke     S  Security
  Shafi     Goldwasser S  Security`;

const rows = Array.from(
  table.matchAll(/(\w+) +(\w+) +(\S+) +(.+)/g),
  ([, givenName = "", familyName = "", letters = "", title = ""], index) => {
    const email = `${givenName}.${familyName}@example.com`.toLowerCase();
    const externalId = `emp-${String(index + 1).padStart(3, "0")}`;
    const displayName = `${givenName} ${familyName}`;
    return { letters, person: { userName: email, externalId, givenName, familyName, displayName, email, title } };
  },
);

/** 20 people and 4 groups at example.com, as an identity provider would send them over SCIM. */
export const company = {
  people: rows.map(({ person }) => person),
  groups: Object.entries(groupNames).map(([letter, displayName]) => ({
    displayName,
    externalId: `grp-${displayName.toLowerCase()}`,
    /** E-mail addresses. */
    members: rows.filter(({ letters }) => letters.includes(letter)).map(({ person }) => person.email),
  })),
  /** E-mail address of the owner of both accounts. */
  owner: "grace.hopper@example.com",
};

/**
 * Fills two empty accounts as the company had them before it used a directory. Ids are always the same, so that a
 * client's stored ids stay valid when the accounts are made again.
 */
export function seedCompany(bitwarden: BitwardenState, onePassword: OnePasswordState): void {
  seedOnePassword(onePassword);
  seedBitwarden(bitwarden);
}

/** Everybody is ACTIVE in 1Password, because its API cannot invite. */
export function seedOnePassword(onePassword: OnePasswordState): void {
  for (const { email, displayName } of company.people) {
    const owner = email === company.owner;
    onePassword.addUser({ id: shortId(email), email, displayName, owner, createTime: "2024-01-15T09:00:00Z" });
  }
}

/**
 * Bitwarden has the owner and five members without externalId, which can be adopted. One of them has collections, and
 * two members are in a group that was made by hand.
 */
export function seedBitwarden(bitwarden: BitwardenState): void {
  const passwords = bitwarden.addCollection({ id: guid("collection", 1) });
  const archive = bitwarden.addCollection({ id: guid("collection", 2) });
  const adasCollections = [
    { id: passwords.id, manage: true },
    { id: archive.id, readOnly: true },
  ];
  const invitedByHand = company.people.slice(0, 6);
  for (const [index, { email, displayName }] of invitedByHand.entries()) {
    const isOwner = email === company.owner;
    bitwarden.addMember({
      id: guid("member", index + 1),
      userId: guid("user", index + 1),
      email,
      name: displayName,
      type: isOwner ? memberType.owner : memberType.user,
      twoFactorEnabled: isOwner,
      collections: email === "ada.lovelace@example.com" ? adasCollections : [],
    });
  }
  bitwarden.addGroup({ id: guid("group", 1), name: "Emergency contacts" });
  bitwarden.setMembership("Emergency contacts", [company.owner, "ada.lovelace@example.com"]);
}

function digest(text: string): Buffer {
  return createHash("sha256").update(`rollcall sandbox ${text}`).digest();
}

function guid(kind: string, number: number): string {
  const hex = digest(`${kind} ${number}`).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function shortId(text: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  return [...digest(text).subarray(0, 26)].map((byte) => alphabet[byte % 32] ?? "A").join("");
}
