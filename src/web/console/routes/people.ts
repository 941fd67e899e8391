import { activityQuery, entityQuery } from "../../../app/queries.ts";
import type { StatusReport } from "../../../app/status.ts";
import type { ActivityPage } from "../../../domain/ports/console-store.ts";
import { kindsOf, targetDefinitions } from "../../../targets/registry.ts";
import type { ConsoleParts } from "../../parts.ts";
import { entityPath } from "../components/activity-rows.ts";
import { type ListFilter, parseListFilter } from "../components/filters.ts";
import { parseActivityFilter } from "../pages/activity.ts";
import { groupsBody, membersTable, peopleBody } from "../pages/people.ts";
import { groupBody, personBody } from "../pages/person.ts";
import { type Asked, causeOf, type Done, done, type Pages } from "../pages.ts";

const rowsPerPage = 50;
const historyRows = 50;

const withoutGroups = targetDefinitions.filter(({ abilities }) => !abilities.groups);

const namesOf = ({ targets }: StatusReport): readonly string[] => targets.map(({ name }) => name);
/** Names of the targets that have groups; the others have no column for them. */
const namesWithGroups = ({ targets }: StatusReport): readonly string[] =>
  targets.filter(({ type }) => kindsOf(type).includes("group")).map(({ name }) => name);

const queryOf = ({ q, ...filter }: ListFilter, targets: readonly string[]) =>
  entityQuery({ ...filter, search: q, limit: rowsPerPage }, targets);

/** The lists of people and groups, and the page of one of them. */
export function entityRoutes(pages: Pages, { reader, status, now, connections }: ConsoleParts): void {
  const history = (entityId: string, { request }: Asked): Promise<ActivityPage> =>
    reader.activity(
      activityQuery({ entityId, beforeSeq: parseActivityFilter(request.query).before, limit: historyRows }),
    );

  pages.get("/people", "viewer", async ({ request }) => {
    const filter = parseListFilter(request.query);
    const current = await status();
    const query = queryOf(filter, namesOf(current));
    const page = await reader.people({ ...query, groupId: null });
    return {
      title: "People",
      section: "people",
      lead: "Everybody whom a source has sent, with the state in each target.",
      body: peopleBody({ page, filter, status: current, columns: query.targets }),
    };
  });

  pages.get("/groups", "viewer", async ({ request }) => {
    const filter = parseListFilter(request.query);
    const current = await status();
    const query = queryOf(filter, namesWithGroups(current));
    return {
      title: "Groups",
      section: "groups",
      lead: [
        "All groups that the sources have sent.",
        ...withoutGroups.map(({ product }) => `${product}'s API has no groups.`),
      ].join(" "),
      body: groupsBody({ page: await reader.groups(query), filter, status: current, columns: query.targets }),
    };
  });

  pages.get("/people/:id", "viewer", async (asked) => {
    const current = await status();
    const id = asked.param("id");
    const person = await reader.person(id, namesOf(current));
    if (person === null) return null;
    return {
      title: person.displayName || person.userName,
      section: "people",
      trail: [{ href: "/people", label: "People" }],
      lead: person.email ?? person.userName,
      body: personBody({
        person,
        history: await history(id, asked),
        status: current,
        visitor: asked.visitor,
        nowMs: now(),
      }),
    };
  });

  pages.get("/groups/:id", "viewer", async (asked) => {
    const current = await status();
    const id = asked.param("id");
    const group = await reader.group(id, namesWithGroups(current));
    if (group === null) return null;
    const filter = parseListFilter(asked.request.query);
    const query = queryOf(filter, namesOf(current));
    const page = await reader.people({ ...query, groupId: id });
    return {
      title: group.displayName,
      section: "groups",
      trail: [{ href: "/groups", label: "Groups" }],
      body: groupBody({
        group,
        members: membersTable(id, { page, filter, status: current, columns: query.targets }),
        history: await history(id, asked),
        status: current,
        visitor: asked.visitor,
        nowMs: now(),
      }),
    };
  });

  for (const [section, kind] of [
    ["people", "user"],
    ["groups", "group"],
  ] as const) {
    pages.post(`/${section}/:id/sync`, "operator", async ({ param, visitor }, form): Promise<Done | null> => {
      const [id, target] = [param("id"), form["target"] ?? ""];
      // The store accepts any name and writes it to the audit trail.
      if (!namesOf(await status()).includes(target)) return null;
      if (!(await reader.askSync(target, id, causeOf(visitor), now()))) return null;
      connections.syncNow(target);
      const text = `${target} is being checked now. The result appears in the history below in a moment.`;
      return done(entityPath(kind, id), "good", text);
    });
  }

  pages.post("/people/:id/reinvite", "operator", async ({ param, visitor }, form): Promise<Done> => {
    const [id, target] = [param("id"), form["target"] ?? ""];
    const isRequested = await reader.askReinvite(target, id, causeOf(visitor), now());
    return isRequested
      ? done(entityPath("user", id), "good", `${target} will send the invitation again.`)
      : done(entityPath("user", id), "bad", `${target} does not show this person as invited: no invitation is sent.`);
  });
}
