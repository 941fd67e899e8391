import type { Change } from "../model/plan.ts";
import { type MembershipChange, remoteGroupId } from "./comparison.ts";

/** The membership changes of one user or of one group, and how they become one call. */
interface Bundle {
  readonly list: readonly MembershipChange[];
  readonly call: (list: readonly MembershipChange[]) => Change;
}

/**
 * Combines membership changes into few calls. The user or group with the most open changes takes all of them into one
 * call, and so on. One user in ten groups is one call, ten users in one group are one call.
 */
export function compact(memberships: readonly MembershipChange[]): readonly Change[] {
  const bySize: Bundle[][] = [];
  const put = (bundle: Bundle): void => {
    bySize[bundle.list.length] ??= [];
    bySize[bundle.list.length]?.push(bundle);
  };
  for (const list of Map.groupBy(memberships, ({ member }) => member.user.id).values()) put({ list, call: setGroups });
  for (const list of Map.groupBy(memberships, ({ group }) => group.group.id).values()) put({ list, call: setMembers });
  const done = new Set<MembershipChange>();
  const changes: Change[] = [];
  for (let size = bySize.length - 1; size > 0; size -= 1) {
    for (const { list, call } of bySize[size] ?? []) {
      const open = list.filter((each) => !done.has(each));
      if (open.length < size) {
        if (open.length > 0) put({ list: open, call });
        continue;
      }
      for (const each of open) done.add(each);
      changes.push(call(open));
    }
  }
  return changes;
}

/** One call for changes of one group. Throws TypeError for an empty list. */
export function setMembers(list: readonly MembershipChange[]): Extract<Change, { readonly op: "setMembers" }> {
  const { group } = firstOf(list);
  const members = (kind: MembershipChange["kind"]) =>
    list
      .filter((each) => each.kind === kind)
      .map(({ member: { user, account } }) => ({
        userId: user.id,
        email: user.email ?? "",
        remoteId: account?.remoteId ?? null,
      }));
  return {
    op: "setMembers",
    groupId: group.group.id,
    name: group.group.displayName,
    remoteId: remoteGroupId(group),
    add: members("add"),
    remove: members("remove"),
  };
}

/** One call for changes of one user. */
function setGroups(list: readonly MembershipChange[]): Change {
  const { user, account } = firstOf(list).member;
  const groups = (kind: MembershipChange["kind"]) =>
    list
      .filter((each) => each.kind === kind)
      .map(({ group }) => ({
        groupId: group.group.id,
        name: group.group.displayName,
        remoteId: remoteGroupId(group),
      }));
  return {
    op: "setGroups",
    userId: user.id,
    email: user.email ?? "",
    remoteId: account?.remoteId ?? null,
    add: groups("add"),
    remove: groups("remove"),
  };
}

function firstOf(list: readonly MembershipChange[]): MembershipChange {
  const [first] = list;
  if (first === undefined) throw new TypeError("a call needs at least one membership change");
  return first;
}
