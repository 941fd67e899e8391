import { auditRowJson, lossesFile, lossJson, trailFile } from "../../app/audit-files.ts";
import { activityQuery, auditFilter, entityQuery } from "../../app/queries.ts";
import type { AuditRow } from "../../domain/model/audit.ts";
import { RollcallError } from "../../domain/model/errors.ts";
import { withIsoTimes } from "../../text/times.ts";
import { visitorOf } from "../access/role.ts";
import { streamActivity } from "../http/activity-stream.ts";
import { sendFile } from "../http/send-file.ts";
import { createSlots } from "../http/slots.ts";
import type { AdminParts } from "../parts.ts";
import * as answers from "./answer-schemas.ts";
import * as documents from "./documents.ts";
import * as inputs from "./input-schemas.ts";
import { ok, problem, type Reply, type Route, routesOf } from "./route.ts";

const dayMs = 24 * 3_600_000;
/** Rows of the history on a person's page. */
const historyRows = 100;
/** Each stream reads the store once a second. */
const maxStreams = 20;
/** Each export reads the whole trail. */
const maxExports = 2;
/** Maximum time that a caller waits for a plan. */
const planWithinMs = 120_000;

/** The operations that only read; all but one need the role viewer. */
export function readingRoutes(parts: AdminParts): readonly Route[] {
  return [...overviews(parts), ...entities(parts), ...plansAndHeld(parts), ...activities(parts)];
}

export const noTarget = (name: string, { targets }: AdminParts): RollcallError =>
  new RollcallError("NOT_FOUND", `no target "${name}"; the targets are: ${targets().join(", ") || "none"}`);

/** @throws `NOT_FOUND` with the names of the targets that exist */
export function requireTarget(name: string | undefined, parts: AdminParts): void {
  if (name !== undefined && !parts.targets().includes(name)) throw noTarget(name, parts);
}

function overviews({ status, targets, reader, now }: AdminParts): readonly Route[] {
  const { read } = routesOf("Overview");
  return [
    read({
      path: "/status",
      id: "getStatus",
      summary: "The status of each source and target; the same as `rollcall status --json`",
      answer: answers.status,
      handle: async () => ok(await status()),
    }),
    read({
      path: "/overview",
      id: "getOverview",
      summary: "The status, what needs a person, and the last 24 hours by hour",
      answer: answers.overview,
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

function entities(parts: AdminParts): readonly Route[] {
  const { targets, reader } = parts;
  const { read } = routesOf("People and groups");
  return [
    read({
      path: "/people",
      id: "listPeople",
      summary: "People by name, with their state in each target",
      query: inputs.peopleInput,
      answer: answers.people,
      problems: { 404: "no such target" },
      async handle({ query }) {
        requireTarget(query.target, parts);
        const found = await reader.people({ ...entityQuery(query, targets()), groupId: query.group ?? null });
        return ok(documents.page(found, documents.person));
      },
    }),
    read({
      path: "/people/{id}",
      id: "getPerson",
      summary: "One person: groups, state in each target, held changes, newest history",
      answer: answers.personDetail,
      problems: { 404: "no such person" },
      async handle({ id }) {
        const found = await reader.person(id, targets());
        if (found === null) return problem(404, "NOT_FOUND", `no person ${id}`);
        const history = await reader.activity(activityQuery({ entityId: id, limit: historyRows }));
        return ok({ ...documents.personDetail(found), history: history.rows.map(auditRowJson) });
      },
    }),
    read({
      path: "/groups",
      id: "listGroups",
      summary: "Groups by name, with the number of their members",
      query: inputs.groupsInput,
      answer: answers.groups,
      problems: { 404: "no such target" },
      async handle({ query }) {
        requireTarget(query.target, parts);
        return ok(documents.page(await reader.groups(entityQuery(query, targets())), documents.group));
      },
    }),
    read({
      path: "/groups/{id}",
      id: "getGroup",
      summary: "One group, and its members page by page",
      query: inputs.membersInput,
      answer: answers.groupDetail,
      problems: { 404: "no such group" },
      async handle({ id, query }) {
        const found = await reader.group(id, targets());
        if (found === null) return problem(404, "NOT_FOUND", `no group ${id}`);
        const members = await reader.people({ ...entityQuery(query, targets()), groupId: id });
        return ok({ ...documents.group(found), members: documents.page(members, documents.person) });
      },
    }),
  ];
}

function plansAndHeld(parts: AdminParts): readonly Route[] {
  const { read } = routesOf("Plan and removals");
  return [
    read({
      // Reading a whole target uses up the vendor's rate limit.
      role: "operator",
      path: "/targets/{target}/plan",
      id: "getPlan",
      summary: "What would be done now; reads the whole target, and is at most ten seconds old",
      query: inputs.planInput,
      answer: answers.plan,
      problems: { 404: "no such target", 502: "the target can't be read", 503: "too many requests wait for a plan" },
      async handle({ target, query: { limit } }) {
        requireTarget(target, parts);
        const coming = parts.plans.recent(target);
        if (coming === null) return problem(503, "BUSY", "too many plans are being made: try again in a minute");
        return ok(documents.plan(target, await within(planWithinMs, coming), limit));
      },
    }),
    read({
      path: "/targets/{target}/held",
      id: "getHeld",
      summary: "The changes that wait for an approval, dismissed or not, with the digests of all and of each part",
      answer: answers.held,
      problems: { 404: "no such target" },
      async handle({ target }) {
        requireTarget(target, parts);
        const { items, heldDigest, ...digests } = await parts.decisions.held(target);
        return ok({ target, digest: heldDigest, ...digests, items: items.map(withIsoTimes) });
      },
    }),
  ];
}

/** @throws a `TimeoutError` after that time; the work goes on for the next caller */
function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const timeout = AbortSignal.timeout(ms);
  return new Promise((resolve, reject) => {
    timeout.addEventListener("abort", () => reject(timeout.reason), { once: true });
    work.then(resolve, reject);
  });
}

function activities(parts: AdminParts): readonly Route[] {
  const { reader, trail } = parts;
  const { read } = routesOf("Activity");
  const streams = createSlots(maxStreams);
  const exports = createSlots(maxExports);
  const exporting = async (send: () => Promise<void>): Promise<Reply> =>
    (await exports.run(send))
      ? "written"
      : problem(503, "BUSY", `${maxExports} exports are running: try again when one has ended`);
  const file = {
    answer: answers.anyText,
    media: ["application/jsonl", "text/csv"],
    problems: { 503: "too many exports at once" },
  };
  return [
    read({
      path: "/activity",
      id: "listActivity",
      summary: "The activity log, newest first",
      query: inputs.activityInput,
      answer: answers.activity,
      async handle({ query }) {
        const { rows, nextBeforeSeq } = await reader.activity({ ...logFilter(query), limit: query.limit });
        return ok({ rows: rows.map(auditRowJson), nextBefore: nextBeforeSeq });
      },
    }),
    read({
      path: "/activity/stream",
      id: "followActivity",
      summary: "New rows as server-sent events `activity`; `Last-Event-ID` continues after that row",
      query: inputs.followInput,
      answer: answers.anyText,
      media: ["text/event-stream"],
      problems: { 503: "too many streams" },
      async handle({ query }, { request, response }) {
        const stream = {
          ...parts,
          isStillIn: visitorOf(response).isStillIn,
          eventOf: (row: AuditRow) => `event: activity\ndata: ${JSON.stringify(auditRowJson(row))}`,
        };
        return (await streams.run(() => streamActivity(stream, logFilter(query), request, response)))
          ? "written"
          : problem(503, "BUSY", `${maxStreams} streams are open, the maximum: close one, or try again later`);
      },
    }),
    read({
      ...file,
      path: "/audit/export",
      id: "exportAudit",
      summary: "The audit trail as a file, oldest first, each row with its hash in the chain",
      query: inputs.exportInput,
      handle: ({ query: { format, ...query } }, { response }) =>
        exporting(() => sendFile(response, trailFile, trail.auditRows(trailFilter(query)), format)),
    }),
    read({
      ...file,
      path: "/audit/lost-access",
      id: "exportLostAccess",
      summary: "Lost access with its causes and approvals, as a file, oldest first",
      query: inputs.lossExportInput,
      handle: ({ query: { format, ...query } }, { response }) =>
        exporting(() => sendFile(response, lossesFile, trail.lostAccess(trailFilter(query)), format)),
    }),
    read({
      path: "/activity/lost-access",
      id: "listLostAccess",
      summary: "The same page by page, newest first; an empty page may have a next page",
      query: inputs.lossesInput,
      answer: answers.losses,
      async handle({ query: { before, limit, ...query } }) {
        const { losses, nextBeforeSeq } = await trail.newestLosses(trailFilter(query), before ?? null, limit);
        return ok({ losses: losses.map(lossJson), nextBefore: nextBeforeSeq });
      },
    }),
  ];
}

type LogInput = Partial<ReturnType<typeof inputs.activityInput.parse>>;
const logFilter = ({ entity, target, action, actor, since, until, failures, before }: LogInput) =>
  activityQuery({
    entityId: entity,
    target,
    action,
    actor,
    sinceMs: since,
    untilMs: until,
    isFailureOnly: failures,
    beforeSeq: before,
  });

type TrailInput = Omit<ReturnType<typeof inputs.exportInput.parse>, "format">;
const trailFilter = ({ since, until, ...rest }: TrailInput) => auditFilter({ ...rest, sinceMs: since, untilMs: until });
