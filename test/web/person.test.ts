import { expect, it } from "vitest";
import type { PersonDetail, SyncStatus } from "../../src/domain/ports/console-store.ts";
import { personBody } from "../../src/web/console/pages/person.ts";

const standing: SyncStatus = {
  target: "bw",
  state: "inSync",
  note: null,
  remoteId: "m-1",
  ownership: "created",
  hasAccess: true,
  seenState: "invited",
  seenSinceMs: 0,
  reinviteAskedAtMs: null,
  attempts: 0,
  retryAtMs: null,
  errorCode: null,
  errorMessage: null,
  lastSuccessAtMs: 0,
};
const ada: PersonDetail = {
  id: "id-1",
  source: "okta",
  externalId: "id-1",
  displayName: "Ada",
  userName: "ada",
  email: "ada@example.com",
  isActive: true,
  absentSinceMs: null,
  syncStatuses: [standing],
  rev: 1,
  createdAtMs: 0,
  modifiedAtMs: 0,
  groups: [],
  held: [],
};
const page = (person: PersonDetail): string =>
  personBody({
    person,
    history: { rows: [], nextBeforeSeq: null },
    status: { targets: [] },
    visitor: {
      role: "operator",
      name: "ops",
      actor: "console:operator",
      via: "session",
      csrfToken: "t",
      isStillIn: () => true,
    },
    nowMs: 0,
  }).toString();

it("an invited person can be invited again while the directory still gives them access", () => {
  expect(page(ada)).toContain("Invite again");
  expect(page({ ...ada, isActive: false })).not.toContain("Invite again");
  expect(page({ ...ada, absentSinceMs: 0 })).not.toContain("Invite again");
  expect(page({ ...ada, syncStatuses: [{ ...standing, note: "out-of-scope" }] })).not.toContain("Invite again");
});

it("a source key that equals the Rollcall id is shown once", () => {
  expect(page(ada)).not.toContain("Key at the source");
  expect(page({ ...ada, externalId: "guid-7" })).toContain("guid-7");
});
