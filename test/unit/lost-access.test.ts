import { describe, expect, it } from "vitest";
import type { AuditRow } from "../../src/domain/model/audit.ts";
import { lossOf } from "../../src/domain/model/lost-access.ts";

let seq = 0;
const row = (action: string, rev: number | null, more: Partial<AuditRow> = {}): AuditRow => {
  seq += 1;
  return {
    seq,
    atMs: seq * 1000,
    actor: "scim:okta",
    requestId: `r-${rev}`,
    action,
    kind: "user",
    entityId: "u",
    name: "ada@example.com",
    target: null,
    rev,
    detail: {},
    ...more,
  };
};
const call = (action: string, rev: number, detail: AuditRow["detail"] = {}, target = "bw"): AuditRow =>
  row(action, rev, { actor: "reconcile", target, detail: { outcome: "applied", ...detail } });
const created = (rev = 1) => row("user.create", rev);
const renamed = (rev: number) => row("user.update", rev, { detail: { displayName: { from: "a", to: "b" } } });
const active = (rev: number, to: boolean) => row("user.update", rev, { detail: { active: { from: !to, to } } });
const left = (rev: number, name: string) => row("group.leave", rev, { detail: { group: { id: name, name } } });
const approved = (action: string, detail: AuditRow["detail"] = {}) =>
  row(`approved.${action}`, null, { actor: "cli:approve (ada)", target: "bw", detail });

/** The loss that the last row tells of, from those before it. */
function lastOf(...rows: readonly AuditRow[]) {
  const [last, ...history] = [...rows].reverse();
  if (last === undefined) throw new Error("no rows");
  return lossOf(last, history);
}

describe("why access was lost", () => {
  it.each([
    ["deactivated", [created(), active(2, false), call("suspend", 2)], "user.update r-2"],
    [
      "deactivated, then renamed, both delivered at once",
      [created(), active(2, false), renamed(3), call("suspend", 3)],
      "user.update r-2",
    ],
    ["deleted", [created(), row("user.delete", 2), call("suspend", 2)], "user.delete r-2"],
    ["out of the group that put them into scope", [created(), left(2, "vault"), call("suspend", 2)], "group.leave r-2"],
    [
      "deactivated again",
      [active(2, false), call("suspend", 2), active(3, true), call("restore", 3), active(4, false), call("suspend", 4)],
      "user.update r-4",
    ],
    [
      "removed long after they were deleted",
      [row("user.delete", 2), call("suspend", 2), call("remove", 2)],
      "user.delete r-2",
    ],
    [
      "out of this group",
      [left(2, "eng"), left(3, "ops"), call("removeFromGroup", 3, { group: "eng" })],
      "group.leave r-2",
    ],
    [
      "deleted, and so out of a group",
      [row("user.delete", 2), call("suspend", 2), call("removeFromGroup", 2, { group: "eng" })],
      "user.delete r-2",
    ],
    [
      "a group deleted",
      [row("group.delete", 2, { kind: "group", name: "eng" }), call("removeGroup", 2)],
      "group.delete r-2",
    ],
    ["restored by hand, and found by a full look", [active(2, false), call("suspend", 2), call("suspend", 2)], null],
    [
      "put into a group by hand",
      [created(), call("invite", 1), renamed(2), call("removeFromGroup", 2, { group: "eng" })],
      null,
    ],
    ["another group was left", [left(2, "ops"), call("removeFromGroup", 2, { group: "eng" })], null],
    [
      "what another target did is no answer",
      [active(2, false), call("suspend", 2, {}, "op"), call("suspend", 2)],
      "user.update r-2",
    ],
    ["a change that came later is no cause", [created(), active(9, false), call("suspend", 2)], null],
  ])("%s", (_what, rows, expected) => {
    const loss = lastOf(...rows);
    const cause = loss?.cause ?? null;
    expect(loss).not.toBeNull();
    expect(cause && `${cause.action} ${cause.requestId}`).toBe(expected);
  });

  it.each([
    ["an invitation", call("invite", 1)],
    ["a call that failed", row("suspend", 2, { target: "bw", detail: { outcome: "failed" } })],
    ["what is held", row("held.suspend", null, { target: "bw" })],
    ["a change of the directory", row("user.delete", 2)],
  ])("%s is none", (_what, last) => {
    expect(lossOf(last, [])).toBeNull();
  });

  it("names who let it pass, once, for just that", () => {
    const rows = [active(2, false), approved("suspend", { digest: "d" }), call("suspend", 2)];
    expect(lastOf(...rows)?.approval).toMatchObject({ actor: "cli:approve (ada)", detail: { digest: "d" } });
    expect(lastOf(...rows, active(3, true), active(4, false), call("suspend", 4))?.approval).toBeNull();
    const inGroup = [left(2, "eng"), approved("removeFromGroup", { group: "ops" })];
    expect(lastOf(...inGroup, call("removeFromGroup", 2, { group: "eng" }))?.approval).toBeNull();
    expect(lastOf(...inGroup, call("removeFromGroup", 2, { group: "ops" }))?.approval).not.toBeNull();
  });

  it("tells what the target did not confirm as such", () => {
    const loss = lossOf(row("suspend", 2, { target: "bw", detail: { outcome: "unconfirmed" } }), []);
    expect(loss).toMatchObject({ outcome: "unconfirmed", what: "suspend", target: "bw", name: "ada@example.com" });
  });
});
