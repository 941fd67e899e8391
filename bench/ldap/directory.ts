import { Random } from "../../test/support/random.ts";

export interface DirectorySize {
  readonly users: number;
  /** Users per group of 50 members. Default 100. */
  readonly usersPerGroup?: number;
  /** Each such group contains the group before. Default 0: no group does. */
  readonly nestedEvery?: number;
  /** Bytes of a photo at each user, which Rollcall does not ask for. Default 0. */
  readonly photoBytes?: number;
}

const suffix = "dc=example,dc=org";
const membersPerGroup = 50;

/** LDIF of made-up users and groups for `startOpenldap`; the same sizes give the same entries. */
export function directoryLdif({ users, usersPerGroup = 100, nestedEvery = 0, photoBytes = 0 }: DirectorySize): string {
  const random = new Random(1);
  const photo = photoBytes === 0 ? "" : `jpegPhoto:: ${Buffer.alloc(photoBytes, 0xa5).toString("base64")}\n`;
  const userDn = (n: number): string => `uid=u${n},ou=people,${suffix}`;
  const groupDn = (n: number): string => `cn=team-${n},ou=groups,${suffix}`;
  const entries: string[] = [];
  for (let n = 0; n < users; n += 1) {
    entries.push(
      `dn: ${userDn(n)}\nobjectClass: inetOrgPerson\nuid: u${n}\ncn: Given${n} Family${n}\nsn: Family${n}\n` +
        `givenName: Given${n}\nmail: u${n}@example.org\nemployeeNumber: ${n}\ntitle: Engineer\n` +
        `telephoneNumber: +49 30 ${n}\nl: Berlin\ndescription: Made-up user ${n}\n${photo}`,
    );
  }
  for (let n = 0; n < Math.ceil(users / usersPerGroup); n += 1) {
    const members = new Set(Array.from({ length: membersPerGroup }, () => userDn(random.below(users))));
    if (n > 0 && nestedEvery > 0 && n % nestedEvery === 0) members.add(groupDn(n - 1));
    const lines = Array.from(members, (member) => `member: ${member}\n`).join("");
    entries.push(`dn: ${groupDn(n)}\nobjectClass: groupOfNames\ncn: team-${n}\n${lines}`);
  }
  return entries.join("\n");
}
