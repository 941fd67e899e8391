import * as answers from "./answer-schemas.ts";
import * as documents from "./documents.ts";
import { lossesFile, sendFile, trailFile } from "./export.ts";
import * as inputs from "./input-schemas.ts";
import { loss } from "./lost-access.ts";
import type { ApiParts } from "./parts.ts";
import { createPlans } from "./plans.ts";
import { ok, problem, type Reply, type Route, route } from "./route.ts";
import { streamActivity } from "./stream.ts";

const dayMs = 24 * 3_600_000;
/** Rows of the history on a person's page. */
const historyRows = 100;
/** Each asks the store once a second. */
const streamsAtMost = 20;
const exportsAtMost = 2;

/** What a viewer may ask. */
export function readingRoutes(parts: ApiParts): readonly Route[] {
  return [...overviews(parts), ...entities(parts), ...plansAndHeld(parts), ...activities(parts)];
}

export const noTarget = (name: string, { targets }: ApiParts) =>
  problem(404, "NOT_FOUND", `no target "${name}"; there is: ${targets().join(", ") || "none"}`);

const read = { method: "get", role: "viewer", body: null } as const;

function overviews({ status, targets, reader, now }: ApiParts): readonly Route[] {
  return [
    route({
      ...read,
      path: "/status",
      id: "getStatus",
      tag: "Overview",
      summary: "How each source and target is doing; what `rollcall status --json` prints",
      params: inputs.nothing,
      query: inputs.nothing,
      answer: answers.status,
      problems: {},
      handle: async () => ok(await status()),
    }),
    route({
      ...read,
      path: "/overview",
      id: "getOverview",
      tag: "Overview",
      summary: "The status, what asks for a person, and the last 24 hours by hour",
      params: inputs.nothing,
      query: inputs.nothing,
      answer: answers.overview,
      problems: {},
      async handle() {
        const names = targets();
        return ok({
          status: await status(),
          attention: (await reader.attention(names, now())).map(documents.attention),
          hours: (await reader.hourly(names, now() - dayMs)).map(documents.hour),
        });
      },
    }),
  ];
}

function entities(parts: ApiParts): readonly Route[] {
  const { targets, reader } = parts;
  const isUnknown = (target: string | undefined): target is string =>
    target !== undefined && !targets().includes(target);
  return [
    route({
      ...read,
      path: "/people",
      id: "listPeople",
      tag: "People and groups",
      summary: "People by name, with how they stand in each target",
      params: inputs.nothing,
      query: inputs.peopleInput,
      answer: answers.people,
      problems: { 404: "no such target" },
      async handle({ query }) {
        if (isUnknown(query.target)) return noTarget(query.target, parts);
        const found = await reader.people({ ...inputs.entityQuery(query, targets()), groupId: query.group ?? null });
        return ok(documents.page(found, documents.person));
      },
    }),
    route({
      ...read,
      path: "/people/{id}",
      id: "getPerson",
      tag: "People and groups",
      summary: "One person: groups, each target, what is held, the newest of the history",
      params: inputs.byId,
      query: inputs.nothing,
      answer: answers.personDetail,
      problems: { 404: "no such person" },
      async handle({ params: { id } }) {
        const found = await reader.person(id, targets());
        if (found === null) return problem(404, "NOT_FOUND", `no person ${id}`);
        const history = await reader.activity(inputs.activityQuery({ entity: id, limit: historyRows }));
        return ok({
          ...documents.person(found),
          ...documents.details(found),
          groups: found.groups,
          held: found.held.map((item) => ({ ...documents.heldItem(item), target: item.target })),
          history: history.rows.map(documents.row),
        });
      },
    }),
    route({
      ...read,
      path: "/groups",
      id: "listGroups",
      tag: "People and groups",
      summary: "Groups by name, with how many are in them",
      params: inputs.nothing,
      query: inputs.groupsInput,
      answer: answers.groups,
      problems: { 404: "no such target" },
      async handle({ query }) {
        if (isUnknown(query.target)) return noTarget(query.target, parts);
        const found = await reader.groups(inputs.entityQuery(query, targets()));
        return ok(documents.page(found, documents.group));
      },
    }),
    route({
      ...read,
      path: "/groups/{id}",
      id: "getGroup",
      tag: "People and groups",
      summary: "One group, and its members page by page",
      params: inputs.byId,
      query: inputs.membersInput,
      answer: answers.groupDetail,
      problems: { 404: "no such group" },
      async handle({ params: { id }, query }) {
        const found = await reader.group(id, targets());
        if (found === null) return problem(404, "NOT_FOUND", `no group ${id}`);
        const all = inputs.entityQuery({ ...query, search: "" }, targets());
        const members = await reader.people({ ...all, groupId: id });
        return ok({
          ...documents.group(found),
          ...documents.details(found),
          members: documents.page(members, documents.person),
        });
      },
    }),
  ];
}

function plansAndHeld(parts: ApiParts): readonly Route[] {
  const plans = createPlans(parts);
  return [
    route({
      ...read,
      // Reading a whole target costs calls of the vendor's allowance.
      role: "operator",
      path: "/targets/{target}/plan",
      id: "getPlan",
      tag: "Plan and removals",
      summary: "What would be done now; reads the whole target, and is at most ten seconds old",
      params: inputs.byTarget,
      query: inputs.planInput,
      answer: answers.plan,
      problems: { 404: "no such target", 502: "the target can't be read", 503: "too many wait for a plan" },
      async handle({ params: { target }, query: { limit } }) {
        if (!parts.targets().includes(target)) return noTarget(target, parts);
        const coming = plans.of(target);
        if (coming === null) return problem(503, "BUSY", "too many plans are being made: try again in a minute");
        return ok(documents.plan(target, await coming, limit));
      },
    }),
    route({
      ...read,
      path: "/targets/{target}/held",
      id: "getHeld",
      tag: "Plan and removals",
      summary: "What waits for an approval, dismissed or not, with the digests that name all of it and each part",
      params: inputs.byTarget,
      query: inputs.nothing,
      answer: answers.held,
      problems: { 404: "no such target" },
      async handle({ params: { target } }) {
        if (!parts.targets().includes(target)) return noTarget(target, parts);
        const { items, ...digests } = await parts.actions.held(target);
        return ok({ target, ...digests, items: items.map(documents.heldItem) });
      },
    }),
  ];
}

function activities(parts: ApiParts): readonly Route[] {
  const { reader, trail } = parts;
  let streams = 0;
  let exports = 0;
  /** Each reads the whole trail. */
  const exporting = async (send: () => Promise<void>): Promise<Reply> => {
    if (exports >= exportsAtMost) return problem(503, "BUSY", `${exports} exports are under way: wait for one`);
    exports += 1;
    try {
      await send();
    } finally {
      exports -= 1;
    }
    return "written";
  };
  return [
    route({
      ...read,
      path: "/activity",
      id: "listActivity",
      tag: "Activity",
      summary: "What was asked for and done, newest first",
      params: inputs.nothing,
      query: inputs.activityInput,
      answer: answers.activity,
      problems: {},
      async handle({ query }) {
        const { rows, nextBeforeSeq } = await reader.activity(inputs.activityQuery(query));
        return ok({ rows: rows.map(documents.row), nextBefore: nextBeforeSeq });
      },
    }),
    route({
      ...read,
      path: "/activity/stream",
      id: "followActivity",
      tag: "Activity",
      summary: "New rows as server-sent events `activity`; `Last-Event-ID` goes on after that row",
      params: inputs.nothing,
      query: inputs.followInput,
      answer: answers.anyText,
      media: ["text/event-stream"],
      problems: { 503: "too many follow" },
      async handle({ query }, { request, response }) {
        if (streams >= streamsAtMost)
          return problem(503, "BUSY", `${streams} clients follow the activity already: no more are served at once`);
        streams += 1;
        try {
          await streamActivity(parts, inputs.activityQuery(query), request, response);
        } finally {
          streams -= 1;
        }
        return "written";
      },
    }),
    route({
      ...read,
      path: "/audit/export",
      id: "exportAudit",
      tag: "Activity",
      summary: "The audit trail as a file, oldest first, each row with its hash in the chain",
      params: inputs.nothing,
      query: inputs.exportInput,
      answer: answers.anyText,
      media: ["application/jsonl", "text/csv"],
      problems: { 503: "too many exports at once" },
      handle: ({ query: { format, ...query } }, { response }) =>
        exporting(() => sendFile(response, trailFile, trail.auditRows(inputs.auditFilter(query)), format)),
    }),
    route({
      ...read,
      path: "/audit/lost-access",
      id: "exportLostAccess",
      tag: "Activity",
      summary: "Who lost access to what, when, why and on whose word, as a file, oldest first",
      params: inputs.nothing,
      query: inputs.lossExportInput,
      answer: answers.anyText,
      media: ["application/jsonl", "text/csv"],
      problems: { 503: "too many exports at once" },
      handle: ({ query: { format, ...query } }, { response }) =>
        exporting(() => sendFile(response, lossesFile, trail.lostAccess(inputs.auditFilter(query)), format)),
    }),
    route({
      ...read,
      path: "/activity/lost-access",
      id: "listLostAccess",
      tag: "Activity",
      summary: "The same page by page, newest first; a page may be empty and yet be followed by one",
      params: inputs.nothing,
      query: inputs.lossesInput,
      answer: answers.losses,
      problems: {},
      async handle({ query: { before, limit, ...query } }) {
        const { losses, nextBeforeSeq } = await trail.newestLosses(inputs.auditFilter(query), before ?? null, limit);
        return ok({ losses: losses.map(loss), nextBefore: nextBeforeSeq });
      },
    }),
  ];
}
