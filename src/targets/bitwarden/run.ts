import type { Observed, ObservedAccount, ObservedGroup } from "../../domain/model/account.ts";
import { normalizeEmail } from "../../domain/model/entities.ts";
import type { GroupRef, MemberRef } from "../../domain/model/plan.ts";
import type { BitwardenApi } from "./api.ts";

/** State of a target between two applies. */
export interface Memory {
  /** Until then, milliseconds since the epoch, invitations go one by one because an import failed. Infinity: the plan has no import. */
  noImportUntilMs: number;
}

/** Wait before an observation after a lost answer. Bitwarden may still be working, and a repeated invitation is a second mail. */
export const observeAfterLostMs = 3000;

/** Data that all steps of one `apply` share. */
export interface Run {
  readonly api: BitwardenApi;
  readonly signal: AbortSignal;
  readonly index: ObservedIndex;
  readonly memory: Memory;
  /** With more invitations than this, they go by import. */
  readonly importThreshold: number;
}

/** Finds observed accounts and groups, and those that this apply has created, by address, externalId and remote id. */
export class ObservedIndex {
  readonly #members: ReadonlyMap<string, ObservedAccount>;
  readonly #groups: readonly ObservedGroup[];
  readonly #emails: ReadonlyMap<string, readonly ObservedAccount[]>;
  readonly #externalIds: ReadonlyMap<string, readonly ObservedAccount[]>;
  readonly #claimed = new Set<string>();
  readonly #memberIds = new Map<string, string>();
  readonly #groupIds = new Map<string, string>();

  constructor(observed: Observed) {
    this.#members = new Map(observed.accounts.map((member) => [member.remoteId, member]));
    this.#groups = observed.groups;
    this.#emails = Map.groupBy(observed.accounts, (member) => member.email);
    const withExternalId = observed.accounts.filter((member) => member.externalId !== null);
    this.#externalIds = Map.groupBy(withExternalId, (member) => member.externalId ?? "");
  }

  member(remoteId: string): ObservedAccount | undefined {
    return this.#members.get(remoteId);
  }

  /** Returns a member with this externalId, other than `remoteId`. */
  holderOf(externalId: string, remoteId?: string): ObservedAccount | undefined {
    return this.#externalIds.get(externalId)?.find((member) => member.remoteId !== remoteId);
  }

  /** Returns a group with this externalId, other than `remoteId`. */
  groupHolderOf(externalId: string, remoteId?: string): ObservedGroup | undefined {
    return this.#groups.find((group) => group.externalId === externalId && group.remoteId !== remoteId);
  }

  /** Returns a group with this name that no system manages. */
  unmanagedGroup(name: string): ObservedGroup | undefined {
    return this.#groups.find((group) => group.externalId === null && group.name === name);
  }

  memberByEmail(email: string): ObservedAccount | undefined {
    return this.#emails.get(normalizeEmail(email))?.[0];
  }

  /** True the first time. Two invitations of one address or externalId in one apply would create two members. */
  claim(key: string): boolean {
    if (this.#claimed.has(key)) return false;
    this.#claimed.add(key);
    return true;
  }

  /** True if two members have the same externalId. Every import then fails with 500. */
  get hasDuplicates(): boolean {
    return [...this.#externalIds.values()].some((members) => members.length > 1);
  }

  learnMember(userId: string, remoteId: string): void {
    this.#memberIds.set(userId, remoteId);
  }

  learnGroup(groupId: string, remoteId: string): void {
    this.#groupIds.set(groupId, remoteId);
  }

  /** Returns null while the member is unknown: after an invitation without an answer, or when two members share the address. */
  memberId(ref: MemberRef): string | null {
    const sharers = this.#emails.get(normalizeEmail(ref.email)) ?? [];
    const byEmail = sharers.length === 1 ? sharers[0]?.remoteId : undefined;
    return ref.remoteId ?? this.#memberIds.get(ref.userId) ?? byEmail ?? null;
  }

  /** Does not search by name: a group with this name may belong to another system. */
  groupId(ref: GroupRef): string | null {
    return ref.remoteId ?? this.#groupIds.get(ref.groupId) ?? null;
  }
}
