import type { LossCause, LostAccess } from "../../domain/model/audit.ts";
import { iso } from "./documents.ts";

/** `scim:okta (token 1a2b3c4d)` is okta's word, `ldap:corp` that of corp; null: no source's. */
export const sourceIn = (actor: string): string | null => /^(?:scim|ldap):(\S+)/.exec(actor)?.[1] ?? null;

const causeOf = (cause: LossCause | null) =>
  cause && {
    seq: cause.seq,
    at: iso(cause.atMs),
    action: cause.action,
    actor: cause.actor,
    source: sourceIn(cause.actor),
    requestId: cause.requestId,
    detail: cause.detail,
  };

/** Access that was lost, as the command line, the API and downloads tell it. */
export const loss = ({ atMs, cause, approval, ...rest }: LostAccess) => ({
  seq: rest.seq,
  at: iso(atMs),
  target: rest.target,
  what: rest.what,
  kind: rest.kind,
  entityId: rest.entityId,
  name: rest.name,
  group: rest.group,
  outcome: rest.outcome,
  why: cause === null ? "drift" : "directory",
  cause: causeOf(cause),
  approval: causeOf(approval),
});

/** The same as columns of a table. */
export const lossCells = {
  seq: ({ seq }: LostAccess) => seq,
  at: ({ atMs }: LostAccess) => iso(atMs),
  target: ({ target }: LostAccess) => target,
  what: ({ what }: LostAccess) => what,
  kind: ({ kind }: LostAccess) => kind,
  entityId: ({ entityId }: LostAccess) => entityId,
  name: ({ name }: LostAccess) => name,
  group: ({ group }: LostAccess) => group,
  outcome: ({ outcome }: LostAccess) => outcome,
  why: ({ cause }: LostAccess) => (cause === null ? "drift" : "directory"),
  causeSeq: ({ cause }: LostAccess) => cause?.seq ?? null,
  causeAt: ({ cause }: LostAccess) => iso(cause?.atMs ?? null),
  causeAction: ({ cause }: LostAccess) => cause?.action ?? null,
  causeActor: ({ cause }: LostAccess) => cause?.actor ?? null,
  causeSource: ({ cause }: LostAccess) => (cause === null ? null : sourceIn(cause.actor)),
  causeRequestId: ({ cause }: LostAccess) => cause?.requestId ?? null,
  causeDetail: ({ cause }: LostAccess) => (cause === null ? null : JSON.stringify(cause.detail)),
  approvedAt: ({ approval }: LostAccess) => iso(approval?.atMs ?? null),
  approvedBy: ({ approval }: LostAccess) => approval?.actor ?? null,
} as const satisfies Readonly<Record<string, (each: LostAccess) => string | number | null>>;
