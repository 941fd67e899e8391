import type { Permissions } from "./requests.ts";

/** OrganizationUserStatusType (bitwarden/server 2026.8.0, src/Core/AdminConsole/Enums). */
export const memberStatus = { revoked: -1, invited: 0, accepted: 1, confirmed: 2, staged: 3 } as const;
export type MemberStatus = (typeof memberStatus)[keyof typeof memberStatus];

/** OrganizationUserType; 3 (Manager) was deleted. */
export const memberType = { owner: 0, admin: 1, user: 2, custom: 4 } as const;
export type MemberType = (typeof memberType)[keyof typeof memberType];

/** The EventTypes that this emulator records (src/Core/Dirt/Enums/EventType.cs). */
export const eventType = {
  collectionUpdated: 1301,
  collectionDeleted: 1302,
  groupCreated: 1400,
  groupUpdated: 1401,
  groupDeleted: 1402,
  memberInvited: 1500,
  memberUpdated: 1502,
  memberRemoved: 1503,
  memberGroupsUpdated: 1504,
  memberRevoked: 1511,
  memberRestored: 1512,
  policyUpdated: 1700,
} as const;

/** Access of a member or a group to one collection. */
export interface CollectionAccess {
  readonly id: string;
  readonly readOnly: boolean;
  readonly hidePasswords: boolean;
  readonly manage: boolean;
}

/** One member of the organization. Group memberships are kept separately. */
export interface Member {
  readonly id: string;
  /** The account; null while Invited or Staged. */
  readonly userId: string | null;
  readonly name: string | null;
  /** Lower case. */
  readonly email: string;
  readonly type: MemberType;
  readonly externalId: string | null;
  readonly permissions: Permissions | null;
  readonly status: MemberStatus;
  /** Status that restore sets again. Null unless revoked. */
  readonly previousStatus: MemberStatus | null;
  readonly twoFactorEnabled: boolean;
  readonly resetPasswordEnrolled: boolean;
  readonly ssoExternalId: string | null;
  readonly collections: readonly CollectionAccess[];
  /** False for members with SSO or a key connector, and for members without an account. */
  readonly hasMasterPassword: boolean;
  /** The 400 text with which a policy refuses to restore this member, if one does. */
  readonly restoreRefusal: string | null;
}

export interface Group {
  readonly id: string;
  readonly name: string;
  readonly externalId: string | null;
  readonly collections: readonly CollectionAccess[];
}

export interface Collection {
  readonly id: string;
  readonly externalId: string | null;
}

export interface Policy {
  readonly id: string;
  readonly type: number;
  readonly enabled: boolean;
  readonly data: unknown;
}

/** One line of the events log. */
export interface OrganizationEvent {
  readonly type: number;
  readonly atMs: number;
  readonly memberId?: string;
  readonly groupId?: string;
  readonly collectionId?: string;
  readonly policyId?: string;
}

/** How the organization and its server are set up; may be changed at any time. */
export class BitwardenSettings {
  /** True: seats are not bought, imports have no limit, and the subscription cannot be read. */
  selfHosted = false;
  /** True for PostgreSQL, MySQL or SQLite: invitations do not see members without an account. */
  entityFramework = false;
  /** The server's feature flag `pm-34423-staged-status`. */
  stagedStatus = false;
  /** True: a confirmed provider user counts as an owner. */
  hasProvider = false;
  useDirectory = true;
  useGroups = true;
  /** False: PUT refuses custom roles. */
  isEnterprise = true;
  /** True: the request limits of Bitwarden's cloud, per verb and path. Self-hosted servers have none. */
  rateLimits = false;
  /** Added to every list answer; `undefined` leaves the property out, as 2026.8.0 does. */
  listContinuationToken: string | null | undefined;
  /** False: member lists carry `collections: null`, as servers before 2026 did. */
  listsCollections = true;
  /** Paid seats; null is unlimited. */
  seats: number | null = null;
  /** Maximum seats that are bought automatically; null is no limit. */
  maxAutoscaleSeats: number | null = null;
  /** The 400 text that refuses to buy a seat, such as `No payment method found.`; null: seats are bought. */
  autoscaleRefusal: string | null = null;
  tokenLifetimeSeconds = 3600;
}
