import { type Link, linkNotes, observedStates, ownerships } from "../../domain/model/link.ts";
import { entityKind, flag, integer, oneOf, optional, table, text } from "../database/table.ts";

/** The state of each entity in each target: see `Link`. */
export const links = table<Link>("links", {
  target: text,
  kind: entityKind,
  entityId: text,
  remoteId: optional(text),
  ownership: optional(oneOf(ownerships)),
  appliedRev: integer,
  hasAccess: flag,
  observedState: optional(oneOf(observedStates)),
  observedSinceMs: optional(integer),
  isSuspendedByUs: flag,
  note: optional(oneOf(linkNotes)),
  attempts: integer,
  attemptedRev: integer,
  retryAtMs: optional(integer),
  errorCode: optional(text),
  errorMessage: optional(text),
  lastSuccessAtMs: optional(integer),
});

export const upsertLink = links.upsert(["target", "kind", "entityId"]);

/** The columns of link `l` in a join, and how to read them: null where an outer join found none. */
export const linkOf = links.joined("l");
