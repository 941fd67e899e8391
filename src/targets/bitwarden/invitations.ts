import type { RollcallError } from "../../domain/model/errors.ts";
import { applied, type ChangeOf, failed, lost, type Settled, settleEach, unconfirmed } from "../kit/run-changes.ts";
import type { Written } from "./api.ts";
import { refused, settle } from "./apply-changes.ts";
import { type VendorError, vendorMember } from "./convert.ts";
import { meaningOf, refusalOf, refusedPlaces } from "./refusals.ts";
import { observeAfterLostMs, type Run } from "./run.ts";

type Invite = ChangeOf<"invite">;

/** Maximum members of one import without `largeImport`. Directory Connector has the same batch size. */
const importBatch = 2_000;
/** Time without imports after a failed one. Invitations then go one by one. */
const importPauseMs = 3_600_000;

/** Invites many members by import, in one call without results for each. Invites few, and the rest of an import, one by one. */
export async function* settleInvites(run: Run, changes: readonly Invite[]): AsyncGenerator<Settled> {
  const fresh: Invite[] = [];
  for (const change of changes) {
    const error = duplicateOf(run, change);
    if (error === null) fresh.push(change);
    else yield failed(change, error);
  }
  let singles: readonly Invite[] = fresh;
  if (fresh.length > run.importThreshold && mayImport(run)) {
    const left: Invite[] = [];
    for (let start = 0; start < fresh.length; start += importBatch) {
      const result = await importMembers(run, fresh.slice(start, start + importBatch));
      yield* result.settled;
      left.push(...result.left);
    }
    singles = left;
  }
  yield* inviteEach(run, singles);
}

/** Returns an error for a duplicate. Bitwarden finds duplicate addresses only sometimes, and duplicate externalIds never. */
function duplicateOf(run: Run, change: Invite): RollcallError | null {
  const { email, externalId } = change;
  const holder = run.index.holderOf(externalId) ?? run.index.memberByEmail(email);
  if (holder !== undefined) {
    return run.api.http.error(
      "TARGET_REFUSED",
      `${holder.email} is a member already (${holder.state}); they are adopted next time`,
    );
  }
  const isFirst = [`email:${email}`, `externalId:${externalId}`].map((key) => run.index.claim(key)).every(Boolean);
  return isFirst
    ? null
    : run.api.http.error("TARGET_REFUSED", `${email} or externalId ${externalId} would be invited twice`);
}

const mayImport = (run: Run): boolean => !run.index.hasDuplicates && run.api.http.clock() >= run.memory.noImportUntilMs;

interface Imported {
  readonly settled: readonly Settled[];
  /** To be invited one by one. */
  readonly left: readonly Invite[];
}

async function importMembers(run: Run, changes: readonly Invite[]): Promise<Imported> {
  if (changes.length === 0 || !mayImport(run)) return { settled: [], left: changes };
  const written = await run.api.importMembers(changes, run.signal);
  switch (written.kind) {
    case "done":
      return { settled: changes.map(unconfirmed), left: [] };
    case "lost": {
      run.memory.noImportUntilMs = run.api.http.clock() + importPauseMs;
      const [first, ...others] = changes;
      const unanswered = (change: Invite): Settled => ({
        outcome: { status: "unconfirmed", change, observeAfterMs: observeAfterLostMs },
      });
      const settled =
        first === undefined
          ? []
          : [lost(run.api.http, first, written.error, observeAfterLostMs), ...others.map(unanswered)];
      return { settled, left: [] };
    }
    case "absent":
      run.memory.noImportUntilMs = Number.POSITIVE_INFINITY;
      return { settled: [], left: changes };
    case "refused":
      return afterRefusal(run, changes, written.refusal);
  }
}

async function afterRefusal(run: Run, changes: readonly Invite[], error: VendorError): Promise<Imported> {
  if (meaningOf(error) === "partly done") return { settled: changes.map(unconfirmed), left: [] };
  if (meaningOf(error) === "no import") run.memory.noImportUntilMs = Number.POSITIVE_INFINITY;
  const places = refusedPlaces(error);
  const good = changes.filter((_change, place) => !places.has(place));
  // Missing seats, or a reason about no member: invite one by one, until the seats end.
  if (good.length === changes.length) return { settled: [], left: changes };
  const bad = changes.flatMap((change, place) => {
    const words = places.get(place);
    return words === undefined
      ? []
      : [failed(change, refused(run, { message: error.message, errors: { Email: [words] } }))];
  });
  const rest = await importMembers(run, good);
  return { settled: [...bad, ...rest.settled], left: rest.left };
}

async function* inviteEach(run: Run, changes: readonly Invite[]): AsyncGenerator<Settled> {
  let outOfSeats: RollcallError | null = null;
  const invite = async (change: Invite): Promise<Settled> => {
    if (outOfSeats !== null) return failed(change, outOfSeats);
    const written = await run.api.invite(change.email, change.externalId, run.signal);
    if (written.kind === "refused" && refusalOf(written.refusal).isAboutSeats)
      outOfSeats = refused(run, written.refusal);
    return settleInvite(run, change, written);
  };
  yield* settleEach(run.api.http, changes, ({ userId }) => userId, invite);
}

function settleInvite(run: Run, change: Invite, written: Written): Settled {
  if (written.kind === "done") {
    const member = vendorMember.safeParse(written.body);
    if (!member.success) return unconfirmed(change);
    run.index.learnMember(change.userId, member.data.id);
    return applied(change, member.data.id);
  }
  const absent = run.api.http.error("UNEXPECTED_RESPONSE", "members.invite answered 404; check apiUrl");
  // "partly done": the row or the mail failed; the answer does not say which.
  const meanings = { "already invited": unconfirmed(change), "partly done": unconfirmed(change) };
  return settle(run, change, written, failed(change, absent), meanings);
}
