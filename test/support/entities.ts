import type { SourceGroup, SourceUser } from "../../src/domain/ports/import-store.ts";
import type { UserWrite } from "../../src/domain/ports/scim-store.ts";

/** A user as SCIM writes it. */
export const userWrite = (userName: string, more: Partial<UserWrite> = {}): UserWrite => ({
  resource: { userName, active: more.isActive ?? true, emails: [...(more.emails ?? [])] },
  userName,
  externalId: null,
  email: null,
  emails: [],
  displayName: userName,
  isActive: true,
  ...more,
});

/** A user as an LDAP poll reads it. */
export const sourceUser = (name: string, more: Partial<SourceUser> = {}): SourceUser => ({
  externalId: name,
  entryId: name,
  userName: name,
  email: `${name}@example.org`,
  displayName: name,
  isActive: true,
  activeUntilMs: null,
  locators: [`dn:uid=${name}`],
  memberOf: [],
  ...more,
});

/** A group as an LDAP poll reads it. `members` are locators. */
export const sourceGroup = (
  name: string,
  members: readonly string[],
  more: Partial<SourceGroup> = {},
): SourceGroup => ({
  externalId: name,
  entryId: name,
  displayName: name,
  locators: [`dn:cn=${name}`],
  members,
  memberOf: [],
  ...more,
});
