import type { ActivityPage } from "../../../domain/ports/console-store.ts";
import { kindsOf, targetDefinitions } from "../../../targets/registry.ts";
import { parseListFilter, queryOf } from "../components/filters.ts";
import { parseActivityFilter } from "../pages/activity.ts";
import { groupsBody, membersTable, peopleBody, rowsPerPage } from "../pages/people.ts";
import { groupBody, personBody } from "../pages/person.ts";
import type { Asked, Done, Pages } from "../pages.ts";
import type { ConsoleParts, ConsoleStatus } from "../parts.ts";

const historyRows = 50;

const withoutGroups = targetDefinitions.filter(({ abilities }) => !abilities.groups);

/** Targets that have groups. The others get no column. */
const withGroups = (status: ConsoleStatus): readonly string[] =>
  status.targets.filter(({ type }) => kindsOf(type).includes("group")).map(({ name }) => name);

/** People, groups, and one of each. */
export function entityRoutes(pages: Pages, { reader, status, now, connections }: ConsoleParts): void {
  const history = (entityId: string, { request }: Asked): Promise<ActivityPage> =>
    reader.activity({
      entityId,
      target: null,
      action: null,
      actor: null,
      sinceMs: null,
      untilMs: null,
      isFailureOnly: false,
      beforeSeq: parseActivityFilter(request.query).before,
      limit: historyRows,
    });

  pages.get("/people", "viewer", async ({ request }) => {
    const filter = parseListFilter(request.query);
    const current = await status();
    const targets = current.targets.map(({ name }) => name);
    const query = queryOf(filter, targets, rowsPerPage);
    const page = await reader.people({ ...query, groupId: null });
    return {
      title: "People",
      section: "people",
      lead: "Everybody the directory has told of, and how they stand in each target.",
      body: peopleBody({ page, filter, status: current, columns: query.connections }),
    };
  });

  pages.get("/groups", "viewer", async ({ request }) => {
    const filter = parseListFilter(request.query);
    const current = await status();
    const query = queryOf(filter, withGroups(current), rowsPerPage);
    const page = await reader.groups(query);
    return {
      title: "Groups",
      section: "groups",
      lead: ["Groups of the directory.", ...withoutGroups.map(({ product }) => `${product}'s API has no groups.`)].join(
        " ",
      ),
      body: groupsBody({ page, filter, status: current, columns: query.connections }),
    };
  });

  pages.get("/people/:id", "viewer", async (asked) => {
    const current = await status();
    const id = asked.param("id");
    const person = await reader.person(
      id,
      current.targets.map(({ name }) => name),
    );
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
    const group = await reader.group(id, withGroups(current));
    if (group === null) return null;
    const filter = parseListFilter(asked.request.query);
    const query = queryOf(
      filter,
      current.targets.map(({ name }) => name),
      rowsPerPage,
    );
    const page = await reader.people({ ...query, groupId: id });
    return {
      title: group.displayName,
      section: "groups",
      trail: [{ href: "/groups", label: "Groups" }],
      body: groupBody({
        group,
        members: membersTable(id, { page, filter, status: current, columns: query.connections }),
        history: await history(id, asked),
        status: current,
        visitor: asked.visitor,
        nowMs: now(),
      }),
    };
  });

  for (const section of ["people", "groups"] as const) {
    pages.post(`/${section}/:id/sync`, "operator", async (asked, form): Promise<Done | null> => {
      const [id, target] = [asked.param("id"), form["target"] ?? ""];
      const cause = { actor: asked.visitor.actor, requestId: null };
      // The store takes any name, and puts it into the audit trail.
      if (!(await status()).targets.some(({ name }) => name === target)) return null;
      if (!(await reader.askSync(target, id, cause, now()))) return null;
      connections.syncNow(target);
      return {
        to: `/${section}/${encodeURIComponent(id)}`,
        notice: {
          kind: "good",
          text: `${target} is looked at now. What came of it is in the history below in a moment.`,
        },
      };
    });
  }

  pages.post("/people/:id/reinvite", "operator", async (asked, form): Promise<Done> => {
    const [id, target] = [asked.param("id"), form["target"] ?? ""];
    const cause = { actor: asked.visitor.actor, requestId: null };
    const isAsked = await reader.askReinvite(target, id, cause, now());
    return {
      to: `/people/${encodeURIComponent(id)}`,
      notice: isAsked
        ? { kind: "good", text: `${target} is asked to send the invitation again.` }
        : { kind: "bad", text: `${target} does not show this person as invited: there is nothing to send again.` },
    };
  });
}
