import { createHash } from "node:crypto";
import { memberType } from "./bitwarden/model.ts";
import type { BitwardenState } from "./bitwarden/state.ts";
import type { OnePasswordState } from "./onepassword/state.ts";

/** A person of the made-up company, as an identity provider would send them over SCIM. */
export interface Person {
  /** The e-mail address. */
  readonly userName: string;
  /** Employee number. */
  readonly externalId: string;
  readonly givenName: string;
  readonly familyName: string;
  readonly displayName: string;
  readonly email: string;
  readonly title: string;
}

export interface CompanyGroup {
  readonly displayName: string;
  /** Key of the group, such as `grp-product`. */
  readonly externalId: string;
  /** E-mail addresses. */
  readonly members: readonly string[];
}

export interface Company {
  readonly people: readonly Person[];
  readonly groups: readonly CompanyGroup[];
  /** E-mail address of the owner of both accounts. */
  readonly owner: string;
}

const people: readonly Person[] = [
  person(1, "Grace", "Hopper", "Managing director"),
  person(2, "Ada", "Lovelace", "Head of engineering"),
  person(3, "Alan", "Turing", "Staff engineer"),
  person(4, "Barbara", "Liskov", "Staff engineer"),
  person(5, "Edsger", "Dijkstra", "Engineer"),
  person(6, "Radia", "Perlman", "Network engineer"),
  person(7, "Donald", "Knuth", "Engineer"),
  person(8, "Frances", "Allen", "Engineer"),
  person(9, "Tony", "Hoare", "Engineer"),
  person(10, "Katherine", "Johnson", "Analyst"),
  person(11, "Dorothy", "Vaughan", "Head of operations"),
  person(12, "Mary", "Jackson", "Operations"),
  person(13, "Claude", "Shannon", "Operations"),
  person(14, "Hedy", "Lamarr", "Radio"),
  person(15, "Annie", "Easley", "Product manager"),
  person(16, "Niklaus", "Wirth", "Designer"),
  person(17, "Karen", "Jones", "Product manager"),
  person(18, "Whitfield", "Diffie", "Head of security"),
  person(19, "Joan", "Clarke", "Security"),
  person(20, "Shafi", "Goldwasser", "Security"),
];

/** 20 people and 4 groups at example.com. */
export const company: Company = {
  people,
  groups: [
    group("Engineering", "grp-engineering", [2, 3, 4, 5, 6, 7, 8, 9]),
    group("Operations", "grp-operations", [6, 10, 11, 12, 13, 14]),
    group("Product", "grp-product", [2, 15, 16, 17]),
    group("Security", "grp-security", [3, 18, 19, 20]),
  ],
  owner: "grace.hopper@example.com",
};

/** Members of the Bitwarden organization before the first sync, invited and confirmed by hand. */
const confirmedByHand = [2, 3, 4, 5, 6];

/**
 * Fills two empty accounts as the company had them before it used a directory. Everybody is ACTIVE in 1Password,
 * because its API cannot invite. Bitwarden has the owner and five members without externalId, which can be adopted. One of them
 * has collections, and two members are in a group that was made by hand. Ids are always the same, so that a client's
 * stored ids stay valid when the accounts are made again.
 */
export function seedCompany(bitwarden: BitwardenState, onePassword: OnePasswordState): void {
  seedOnePassword(onePassword);
  seedBitwarden(bitwarden);
}

export function seedOnePassword(onePassword: OnePasswordState): void {
  for (const { email, displayName } of people) {
    onePassword.addUser({
      id: shortId(email),
      email,
      displayName,
      owner: email === company.owner,
      createTime: "2024-01-15T09:00:00Z",
    });
  }
}

export function seedBitwarden(bitwarden: BitwardenState): void {
  const passwords = bitwarden.addCollection({ id: guid("collection", 1) });
  const archive = bitwarden.addCollection({ id: guid("collection", 2) });
  const owner = byNumber(1);
  bitwarden.addMember({
    id: guid("member", 1),
    userId: guid("user", 1),
    email: owner.email,
    name: owner.displayName,
    type: memberType.owner,
    twoFactorEnabled: true,
  });
  for (const number of confirmedByHand) {
    const { email, displayName } = byNumber(number);
    const collections =
      number === 2
        ? [
            { id: passwords.id, manage: true },
            { id: archive.id, readOnly: true },
          ]
        : [];
    bitwarden.addMember({
      id: guid("member", number),
      userId: guid("user", number),
      email,
      name: displayName,
      collections,
    });
  }
  bitwarden.addGroup({ id: guid("group", 1), name: "Emergency contacts" });
  bitwarden.setMembership("Emergency contacts", [owner.email, byNumber(2).email]);
}

function person(number: number, givenName: string, familyName: string, title: string): Person {
  const email = `${givenName}.${familyName}@example.com`.toLowerCase();
  return {
    userName: email,
    externalId: `emp-${String(number).padStart(3, "0")}`,
    givenName,
    familyName,
    displayName: `${givenName} ${familyName}`,
    email,
    title,
  };
}

function group(displayName: string, externalId: string, numbers: readonly number[]): CompanyGroup {
  return { displayName, externalId, members: numbers.map((number) => byNumber(number).email) };
}

function byNumber(number: number): Person {
  const found = people[number - 1];
  if (found === undefined) throw new Error(`the company has no person ${number}`);
  return found;
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
