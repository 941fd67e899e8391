import type { RollcallError } from "../../domain/model/errors.ts";
import { type Change, unreachable } from "../../domain/model/plan.ts";
import { applied, type ChangeOf, failed, lost, type Settled, unconfirmed } from "../kit/run-changes.ts";
import type { Written } from "./api.ts";
import { memberWithExternalId, roleOf, type VendorError, vendorGroup } from "./convert.ts";
import { type Meaning, meaningOf, refusalOf } from "./refusals.ts";
import { observeAfterLostMs, type Run } from "./run.ts";

type PersonChange = ChangeOf<"adopt" | "restore" | "reinvite" | "suspend" | "remove">;
type GroupChange = ChangeOf<"createGroup" | "adoptGroup" | "renameGroup" | "removeGroup">;

/** Settles a change of one existing member, except memberships. */
export async function settlePerson(run: Run, change: PersonChange): Promise<Settled> {
  switch (change.op) {
    case "adopt":
      return adopt(run, change);
    case "restore": {
      const written = await run.api.restoreMember(change.remoteId, run.signal);
      return settle(run, change, written, unconfirmed(change), { "already active": applied(change, change.remoteId) });
    }
    case "reinvite": {
      const written = await run.api.reinviteMember(change.remoteId, run.signal);
      return settle(run, change, written, unconfirmed(change), { "not invited": unconfirmed(change) });
    }
    case "suspend":
    case "remove":
      return takeAccess(run, change);
    default:
      return unreachable(change);
  }
}

/** Settles a change of one group, except memberships. */
export async function settleGroup(run: Run, change: GroupChange): Promise<Settled> {
  switch (change.op) {
    case "createGroup":
      return createGroup(run, change);
    case "adoptGroup":
    case "renameGroup":
      return putGroup(run, change);
    case "removeGroup":
      return settle(
        run,
        change,
        await run.api.deleteGroup(change.remoteId, run.signal),
        applied(change, change.remoteId),
      );
    default:
      return unreachable(change);
  }
}

/**
 * Turns the answer to a write into an outcome. `absent` is the outcome after a 404, `meanings` are those of refusals. Any
 * other refusal is a failure.
 */
export function settle(
  run: Run,
  change: Change,
  written: Written,
  absent: Settled,
  meanings: Readonly<Partial<Record<Meaning, Settled>>> = {},
): Settled {
  switch (written.kind) {
    case "done":
      return applied(change, "remoteId" in change ? (change.remoteId ?? undefined) : undefined);
    case "absent":
      return absent;
    case "refused": {
      const meaning = meaningOf(written.refusal);
      return (meaning && meanings[meaning]) ?? failed(change, refused(run, written.refusal));
    }
    case "lost":
      return lost(run.api.http, change, written.error, observeAfterLostMs);
    default:
      return unreachable(written);
  }
}

/** Returns an error with the vendor's words and advice. */
export function refused(run: Run, error: VendorError): RollcallError {
  const { words, advice, isPermanent } = refusalOf(error);
  return run.api.http.error("TARGET_REFUSED", `Bitwarden says "${words}"${advice === "" ? "" : `; ${advice}`}`, {
    isPermanent,
  });
}

/** Returns an error for a change that Rollcall itself refuses. A correct plan has no such change. */
const declined = (run: Run, message: string, isPermanent = false): RollcallError =>
  run.api.http.error("TARGET_REFUSED", message, { isPermanent });

async function takeAccess(run: Run, change: ChangeOf<"suspend" | "remove">): Promise<Settled> {
  const { remoteId } = change;
  const role = run.index.member(remoteId)?.role ?? (await freshRole(run, remoteId));
  if (role === null) return applied(change, remoteId);
  if (role === "owner")
    return failed(change, declined(run, `${change.email} is an owner; Rollcall takes no access from owners`, true));
  const isSuspension = change.op === "suspend";
  const written = await (isSuspension
    ? run.api.revokeMember(remoteId, run.signal)
    : run.api.deleteMember(remoteId, run.signal));
  const done = applied(change, remoteId);
  return settle(run, change, written, done, isSuspension ? { "already suspended": done } : {});
}

/** Returns null if there is no such member. */
async function freshRole(run: Run, remoteId: string): Promise<string | null> {
  const member = await run.api.getMember(remoteId, run.signal);
  return member === null ? null : roleOf(member.type);
}

/** Reads and writes the whole member. There is no ETag, so little time may pass between the two. */
async function adopt(run: Run, change: ChangeOf<"adopt">): Promise<Settled> {
  const { remoteId, externalId } = change;
  const holder = run.index.holderOf(externalId, remoteId);
  if (holder !== undefined)
    return failed(
      change,
      declined(run, `externalId ${externalId} belongs to ${holder.email} already; clear it in Bitwarden`),
    );
  const member = await run.api.getMember(remoteId, run.signal);
  if (member === null) return unconfirmed(change);
  if (member.externalId === externalId) return applied(change, remoteId);
  const planned = run.index.member(remoteId);
  if (planned !== undefined && planned.externalId !== (member.externalId ?? null)) return unconfirmed(change); // changed since the plan
  const body = memberWithExternalId(member, externalId);
  if (body === null) {
    const message = `members.get shows ${change.email} without collections, and writing back would drop them`;
    return failed(change, run.api.http.error("UNEXPECTED_RESPONSE", message));
  }
  return settle(run, change, await run.api.putMember(remoteId, body, run.signal), unconfirmed(change));
}

async function createGroup(run: Run, change: ChangeOf<"createGroup">): Promise<Settled> {
  const { groupId, name, externalId } = change;
  const holder = run.index.groupHolderOf(externalId) ?? run.index.unmanagedGroup(name);
  if (holder !== undefined)
    return failed(change, declined(run, `group "${holder.name}" is there already; it is adopted next time`));
  if (!run.index.claim(`group:${externalId}`))
    return failed(change, declined(run, `two groups with externalId ${externalId}`));
  const written = await run.api.createGroup(name, externalId, run.signal);
  if (written.kind !== "done") return settle(run, change, written, unconfirmed(change));
  const created = vendorGroup.safeParse(written.body);
  if (!created.success) return unconfirmed(change);
  run.index.learnGroup(groupId, created.data.id);
  return applied(change, created.data.id);
}

async function putGroup(run: Run, change: ChangeOf<"adoptGroup" | "renameGroup">): Promise<Settled> {
  const { remoteId, name, externalId } = change;
  const holder = run.index.groupHolderOf(externalId, remoteId);
  if (holder !== undefined)
    return failed(
      change,
      declined(run, `externalId ${externalId} belongs to group "${holder.name}" already; clear it in Bitwarden`),
    );
  const group = await run.api.getGroup(remoteId, run.signal);
  if (group === null) return unconfirmed(change);
  run.index.learnGroup(change.groupId, remoteId);
  if (group.name === name && group.externalId === externalId) return applied(change, remoteId);
  return settle(run, change, await run.api.putGroup(remoteId, name, externalId, run.signal), unconfirmed(change));
}
