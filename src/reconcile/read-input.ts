import { RollcallError } from "../domain/model/errors.ts";
import type { RunScope } from "../domain/model/sync-input.ts";
import type { Target } from "../domain/ports/target.ts";
import type { ReconcileContext, RunInput } from "./run.ts";

/** Returns null when nothing is dirty and due. Throws TARGET_CHANGED if the target leads to another account than before. */
export async function readInput(context: ReconcileContext, scope: RunScope): Promise<RunInput | null> {
  const { target, store, policy, now, sources = null } = context;
  const account = await store.accountOf(target.name);
  if (account !== null && account !== target.account) throw otherAccount(target, account);
  const sync = await store.readInput(target.name, scope, now(), sources);
  const hasWork = sync.isComplete || sync.users.length > 0 || (target.supports.groups && sync.dirtyGroupIds.size > 0);
  if (!hasWork) return null;
  const sinceMs = now() - policy.removalLimit.windowMs;
  return {
    sync,
    held: await store.held(target.name),
    charged: await store.charges(target.name, sinceMs),
    returned: await store.returned(target.name, sinceMs),
    peopleWithAccess: await store.peopleWithAccess(target.name),
    restored: await store.restored(target.name, {
      userIds: sync.users.map(({ user }) => user.id),
      groupIds: sync.groups.map(({ group }) => group.id),
    }),
    isFirstRun: account === null,
  };
}

/** A mistake in the configuration could name another organization. Rollcall would invite everybody there. */
export const otherAccount = ({ name, account }: Pick<Target, "name" | "account">, before: string): RollcallError =>
  new RollcallError(
    "TARGET_CHANGED",
    `target ${name}: leads to ${account} now, but Rollcall managed ${before} under this name. Nothing was changed. If this is intended, give this target a new name in the configuration. If not, put back the credentials of ${before}`,
    { isPermanent: true },
  );
