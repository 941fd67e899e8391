import type { GroupsQuery, PeopleQuery } from "../../src/domain/ports/console-store.ts";

/** A list of groups in these targets, without a filter. */
export const groupsQuery = (targets: readonly string[], more: Partial<GroupsQuery> = {}): GroupsQuery => ({
  targets,
  search: "",
  source: null,
  presence: null,
  syncStatus: null,
  cursor: null,
  limit: 50,
  ...more,
});

/** A list of people in these targets, without a filter. */
export const peopleQuery = (targets: readonly string[], more: Partial<PeopleQuery> = {}): PeopleQuery => ({
  groupId: null,
  ...groupsQuery(targets),
  ...more,
});
