import type { z } from "zod";
import type { ConnectionDraft, Verification } from "../../app/connection-types.ts";
import { isoTime } from "../../text/times.ts";
import type { AdminParts } from "../parts.ts";
import * as answers from "./answer-schemas.ts";
import * as documents from "./documents.ts";
import * as inputs from "./input-schemas.ts";
import { noTarget, requireTarget } from "./queries.ts";
import { ok, problem, type Reply, type Route, route } from "./route.ts";

/** Maximum time to verify credentials. */
const verifyWithinMs = 60_000;

/** The operations that change something: an operator syncs, approves and invites again; an admin also connects and makes tokens. */
export function actingRoutes(parts: AdminParts): readonly Route[] {
  return [...decisions(parts), ...requests(parts), ...tokens(parts), ...connecting(parts)];
}

const operate = { method: "post", role: "operator" } as const;

function decisions(parts: AdminParts): readonly Route[] {
  const decision = (
    name: "approve" | "dismiss",
    { done, ...more }: { readonly done: string; readonly summary: string; readonly answer: z.ZodType },
  ): Route =>
    route({
      ...operate,
      ...more,
      path: `/targets/{target}/${name}`,
      id: `${name}Held`,
      tag: "Plan and removals",
      params: inputs.byTarget,
      body: inputs.approveInput,
      problems: { 404: "no such target", 409: "the held changes are different by now" },
      async handle({ params: { target }, body: { digest } }, { cause }) {
        requireTarget(target, parts);
        const count = await parts.decisions[name](target, digest, cause);
        return count > 0
          ? ok({ target, digest, [done]: count })
          : problem(409, "NO_SUCH_DIGEST", `${target} holds no changes with digest ${digest}: read what is held now`);
      },
    });
  return [
    decision("approve", {
      done: "approved",
      summary: "Lets exactly the held changes with that digest pass once",
      answer: answers.approved,
    }),
    decision("dismiss", {
      done: "dismissed",
      summary:
        "Keeps exactly the held changes with that digest held, whatever the limit allows, until they are approved",
      answer: answers.dismissed,
    }),
  ];
}

function requests(parts: AdminParts): readonly Route[] {
  const { reader, connections, targets, now } = parts;
  return [
    route({
      ...operate,
      path: "/targets/{target}/sync",
      id: "syncTarget",
      tag: "Plan and removals",
      summary: "Checks and syncs the whole target now",
      params: inputs.byTarget,
      answer: answers.asked,
      problems: { 404: "no such target" },
      async handle({ params: { target } }) {
        if (!connections.syncNow(target)) throw noTarget(target, parts);
        return ok({ targets: [target] });
      },
    }),
    route({
      ...operate,
      path: "/people/{id}/sync",
      id: "syncPerson",
      tag: "People and groups",
      summary: "Checks and syncs one person now, in one target or in all, without a wait for the next retry",
      params: inputs.byId,
      body: inputs.personSyncInput,
      answer: answers.asked,
      problems: { 404: "no such person or target" },
      async handle({ params: { id }, body: { target } }, { cause }) {
        requireTarget(target, parts);
        const names = target === undefined ? targets() : [target];
        if ((await reader.person(id, [])) === null) return problem(404, "NOT_FOUND", `no person ${id}`);
        for (const each of names) await reader.askSync(each, id, cause, now());
        return ok({ targets: names });
      },
    }),
    route({
      ...operate,
      path: "/people/{id}/reinvite",
      id: "reinvitePerson",
      tag: "People and groups",
      summary: "Sends a person's invitation again in the next run",
      params: inputs.byId,
      body: inputs.reinviteInput,
      answer: answers.asked,
      problems: { 404: "no such target", 409: "the target does not show the person as invited" },
      async handle({ params: { id }, body: { target } }, { cause }) {
        requireTarget(target, parts);
        return (await reader.askReinvite(target, id, cause, now()))
          ? ok({ targets: [target] })
          : problem(409, "NOT_INVITED", `${target} does not show person ${id} as invited: no invitation is sent`);
      },
    }),
  ];
}

const administer = { method: "post", role: "admin" } as const;

function tokens({ scim, scimUrl, now }: AdminParts): readonly Route[] {
  const tag = "Tokens";
  const noToken = (id: string) => problem(404, "NOT_FOUND", `no valid token has the id ${id}`);
  return [
    route({
      ...administer,
      method: "get",
      path: "/tokens",
      id: "listTokens",
      tag,
      summary: "SCIM tokens that were made here; those of the configuration file are not listed",
      answer: answers.tokens,
      handle: async () => ok({ url: scimUrl, tokens: (await scim.list()).map((each) => documents.token(each, now())) }),
    }),
    route({
      ...administer,
      path: "/tokens",
      id: "createToken",
      tag,
      summary: "Makes a SCIM token; it is shown once and stored as a hash",
      body: inputs.tokenInput,
      answer: answers.newToken,
      problems: { 404: "no such SCIM source" },
      async handle({ body: { source, label, expiresIn } }, { cause }) {
        const made = await scim.create(source, label, expiresIn ?? null, cause);
        return made === null
          ? problem(404, "NOT_FOUND", `no SCIM source "${source}"`)
          : ok(documents.madeToken(made, scimUrl));
      },
    }),
    route({
      ...administer,
      path: "/tokens/{id}/rotate",
      id: "rotateToken",
      tag,
      summary: "Replaces a SCIM token by one with the same lifetime; the old one stays valid for the grace period",
      params: inputs.byId,
      body: inputs.rotateTokenInput,
      answer: answers.rotatedToken,
      problems: { 404: "no such valid token" },
      async handle({ params: { id }, body: { grace } }, { cause }) {
        const made = await scim.rotate(id, { graceMs: grace }, cause);
        if (made === null) return noToken(id);
        const oldGoodUntil = isoTime(made.oldGoodUntilMs);
        return ok({ ...documents.madeToken(made, scimUrl), replaces: id, oldGoodUntil });
      },
    }),
    route({
      ...administer,
      method: "delete",
      path: "/tokens/{id}",
      id: "revokeToken",
      tag,
      summary: "Revokes a SCIM token; it is refused within a second",
      params: inputs.byId,
      answer: answers.revoked,
      problems: { 404: "no such valid token" },
      handle: async ({ params: { id } }, { cause }) =>
        (await scim.revoke(id, cause)) ? ok({ id, revoked: true }) : noToken(id),
    }),
  ];
}

function connecting({ connections }: AdminParts): readonly Route[] {
  const tag = "Connections";
  const inTime = (): AbortSignal => AbortSignal.timeout(verifyWithinMs);
  /** Wrong credentials are no failure of the call: 422, with the errors by field. */
  const verified = (result: Verification): Reply => ({ status: result.ok ? 200 : 422, body: result });
  const changing = {
    ...administer,
    tag,
    answer: answers.verification,
    problems: { 422: "refused: `errors` has the reasons, by field" },
  };
  return [
    route({
      ...administer,
      role: "viewer",
      method: "get",
      path: "/connections",
      id: "listConnections",
      tag,
      summary: "Connected targets: where their credentials come from, and their state",
      answer: answers.connections,
      handle: async () =>
        ok({
          cannotStore: connections.cannotStore(),
          connections: (await connections.listConnections()).map(documents.connection),
        }),
    }),
    route({
      ...changing,
      path: "/connections/verify",
      id: "verifyConnection",
      summary: "Signs in with credentials and reads once; stores nothing",
      body: inputs.draftInput,
      handle: async ({ body }) => verified(await connections.verifyConnection(draftOf(body), inTime())),
    }),
    route({
      ...changing,
      path: "/connections",
      id: "connect",
      summary: "Verifies credentials, then stores them encrypted; the target is served within two seconds",
      body: inputs.draftInput,
      handle: async ({ body }, { cause }) =>
        verified(await connections.saveConnection(draftOf(body), cause.actor, inTime())),
    }),
    route({
      ...changing,
      path: "/connections/{target}/rotate",
      id: "rotateSecret",
      summary: "Replaces the secret of a stored connection, after verifying the new one",
      params: inputs.byTarget,
      body: inputs.rotateInput,
      handle: async ({ params: { target }, body: { clientSecret } }, { cause }) =>
        verified(await connections.rotateSecret(target, clientSecret, cause.actor, inTime())),
    }),
    route({
      ...administer,
      method: "get",
      path: "/connections/{target}/consequences",
      id: "getConsequences",
      tag,
      summary: "The consequences of disconnecting the target",
      params: inputs.byTarget,
      answer: answers.consequences,
      handle: async ({ params: { target } }) =>
        ok({ name: target, consequences: await connections.removalConsequences(target) }),
    }),
    route({
      ...administer,
      method: "delete",
      path: "/connections/{target}",
      id: "disconnect",
      tag,
      summary: "Deletes a stored connection; nobody loses access",
      params: inputs.byTarget,
      answer: answers.disconnected,
      problems: { 404: "no connection is stored under that name" },
      handle: async ({ params: { target } }, { cause }) =>
        (await connections.removeConnection(target, cause.actor))
          ? ok({ name: target, disconnected: true })
          : problem(404, "NOT_FOUND", `no connection is stored under the name ${target}`),
    }),
  ];
}

/** Leaves out the keys without a value: they come from the configuration file. */
const draftOf = ({ name, type, ...rest }: ReturnType<typeof inputs.draftInput.parse>): ConnectionDraft => ({
  name,
  type,
  ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
});
