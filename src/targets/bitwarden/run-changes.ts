import type { Observed, ObservedAccount, ObservedGroup } from "../../domain/model/account.ts";
import { normalizeEmail } from "../../domain/model/entities.ts";
import type { RollcallError } from "../../domain/model/errors.ts";
import type { Change, ChangeOp, GroupRef, MemberRef } from "../../domain/model/plan.ts";
import type { Outcome } from "../../domain/ports/target.ts";
import type { BitwardenApi } from "./api.ts";

/** The change of that kind. */
export type ChangeOf<Op extends ChangeOp> = Extract<Change, { readonly op: Op }>;

/** An outcome, and the error that stands behind it when the target as a whole seems out of reach. */
export interface Settled {
  readonly outcome: Outcome;
  readonly lostTo?: RollcallError;
}

/** What a target remembers from one apply to the next. */
export interface Memory {
  /** Until when invitations go one by one because an import failed, milliseconds since the epoch; Infinity: there is no import. */
  noImportUntilMs: number;
}

/** One `apply`: what it calls, and what it has learned. */
export interface Run {
  readonly api: BitwardenApi;
  readonly signal: AbortSignal;
  readonly world: World;
  readonly memory: Memory;
  /** More invitations than this go by import. */
  readonly importThreshold: number;
}

/** What was observed, and what this apply has made since. Finds who has which address, externalId, remote id. */
export class World {
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

  /** Someone, other than `remoteId`, who has this externalId. */
  holderOf(externalId: string, remoteId?: string): ObservedAccount | undefined {
    return this.#externalIds.get(externalId)?.find((member) => member.remoteId !== remoteId);
  }

  /** A group, other than `remoteId`, that has this externalId. */
  groupHolderOf(externalId: string, remoteId?: string): ObservedGroup | undefined {
    return this.#groups.find((group) => group.externalId === externalId && group.remoteId !== remoteId);
  }

  /** A group that nobody manages and that has this name. */
  unmanagedGroup(name: string): ObservedGroup | undefined {
    return this.#groups.find((group) => group.externalId === null && group.name === name);
  }

  memberByEmail(email: string): ObservedAccount | undefined {
    return this.#emails.get(normalizeEmail(email))?.[0];
  }

  /** True the first time: two invitations of one address or externalId in one apply would make two members. */
  claim(key: string): boolean {
    if (this.#claimed.has(key)) return false;
    this.#claimed.add(key);
    return true;
  }

  /** True when the members hold an externalId twice, which makes every import fail with 500 (contract sheet §0.5). */
  get hasDuplicates(): boolean {
    return [...this.#externalIds.values()].some((members) => members.length > 1);
  }

  learnMember(userId: string, remoteId: string): void {
    this.#memberIds.set(userId, remoteId);
  }

  learnGroup(groupId: string, remoteId: string): void {
    this.#groupIds.set(groupId, remoteId);
  }

  /** Null while the member isn't known to exist: an invitation without an answer, or an address that two members share. */
  memberId(ref: MemberRef): string | null {
    const sharers = this.#emails.get(normalizeEmail(ref.email)) ?? [];
    const byEmail = sharers.length === 1 ? sharers[0]?.remoteId : undefined;
    return ref.remoteId ?? this.#memberIds.get(ref.userId) ?? byEmail ?? null;
  }

  /** Never by name: a group of the same name may be somebody else's. */
  groupId(ref: GroupRef): string | null {
    return ref.remoteId ?? this.#groupIds.get(ref.groupId) ?? null;
  }
}

/** The vendor did it, or it was so already. */
export const applied = (change: Change, remoteId?: string): Settled => ({
  outcome: remoteId === undefined ? { status: "applied", change } : { status: "applied", change, remoteId },
});

/** The vendor or we refused it. */
export const failed = (change: Change, error: RollcallError): Settled => ({
  outcome: { status: "failed", change, error },
});

/** The next observation will tell. */
export const unconfirmed = (change: Change): Settled => ({ outcome: { status: "unconfirmed", change } });

/** A vendor that gave no answer may still be working: an invitation repeated before it is done would be a second mail. */
export const observeAfterLostMs = 3000;

/** The call was sent and its answer lost. 500 is about this change; anything else counts against the target. */
export function lost(run: Run, change: Change, error: RollcallError): Settled {
  run.api.http.log("warn", "no answer to a change; the next observation will tell", { op: change.op, error });
  const outcome = { status: "unconfirmed", change, observeAfterMs: observeAfterLostMs } as const;
  return error.code === "TARGET_UNREACHABLE" ? { outcome, lostTo: error } : { outcome };
}
