import type { ConnectionDraft, Verification } from "../../app/connection-types.ts";
import * as answers from "./answer-schemas.ts";
import * as documents from "./documents.ts";
import * as inputs from "./input-schemas.ts";
import type { ApiParts } from "./parts.ts";
import { noTarget } from "./queries.ts";
import { ok, problem, type Reply, type Route, route } from "./route.ts";

/** How long a vendor may take to verify credentials. */
const verifyMs = 60_000;

/** What changes something: an operator runs, approves and invites again, an admin also connects and makes tokens. */
export function actingRoutes(parts: ApiParts): readonly Route[] {
  return [...operating(parts), ...tokens(parts), ...connecting(parts)];
}

const noDigest = (target: string, digest: string) =>
  problem(409, "NO_SUCH_DIGEST", `${target} holds no removals with digest ${digest}: look at what is held now`);

const operate = { method: "post", role: "operator", query: inputs.nothing } as const;

function operating(parts: ApiParts): readonly Route[] {
  const { reader, actions, connections, targets, now } = parts;
  return [
    route({
      ...operate,
      path: "/targets/{target}/approve",
      id: "approveHeld",
      tag: "Plan and removals",
      summary: "Lets exactly the held removals with that digest pass once",
      params: inputs.byTarget,
      body: inputs.approveInput,
      answer: answers.approved,
      problems: { 404: "no such target", 409: "other removals are held by now" },
      async handle({ params: { target }, body: { digest } }, { cause }) {
        if (!targets().includes(target)) return noTarget(target, parts);
        const approved = await actions.approve(target, digest, cause);
        return approved > 0 ? ok({ target, digest, approved }) : noDigest(target, digest);
      },
    }),
    route({
      ...operate,
      path: "/targets/{target}/dismiss",
      id: "dismissHeld",
      tag: "Plan and removals",
      summary:
        "Has exactly the held removals with that digest wait, whatever the budget allows, until somebody approves them",
      params: inputs.byTarget,
      body: inputs.approveInput,
      answer: answers.dismissed,
      problems: { 404: "no such target", 409: "other removals are held by now" },
      async handle({ params: { target }, body: { digest } }, { cause }) {
        if (!targets().includes(target)) return noTarget(target, parts);
        const dismissed = await actions.dismiss(target, digest, cause);
        return dismissed > 0 ? ok({ target, digest, dismissed }) : noDigest(target, digest);
      },
    }),
    route({
      ...operate,
      path: "/targets/{target}/sync",
      id: "syncTarget",
      tag: "Plan and removals",
      summary: "Has the whole target looked at now",
      params: inputs.byTarget,
      body: null,
      answer: answers.asked,
      problems: { 404: "no such target" },
      async handle({ params: { target } }) {
        return connections.syncNow(target) ? ok({ targets: [target] }) : noTarget(target, parts);
      },
    }),
    route({
      ...operate,
      path: "/people/{id}/sync",
      id: "syncPerson",
      tag: "People and groups",
      summary: "Has one person looked at now, in one target or in all, whatever they wait for",
      params: inputs.byId,
      body: inputs.personSyncInput,
      answer: answers.asked,
      problems: { 404: "no such person or target" },
      async handle({ params: { id }, body: { target } }, { cause }) {
        if (target !== undefined && !targets().includes(target)) return noTarget(target, parts);
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
      summary: "Has the next run send a person's invitation again",
      params: inputs.byId,
      body: inputs.reinviteInput,
      answer: answers.asked,
      problems: { 404: "no such target", 409: "the target does not show them as invited" },
      async handle({ params: { id }, body: { target } }, { cause }) {
        if (!targets().includes(target)) return noTarget(target, parts);
        return (await reader.askReinvite(target, id, cause, now()))
          ? ok({ targets: [target] })
          : problem(
              409,
              "NOT_INVITED",
              `${target} does not show person ${id} as invited: nobody is to be invited again`,
            );
      },
    }),
  ];
}

const administer = { role: "admin", query: inputs.nothing } as const;

function tokens({ scim, now }: ApiParts): readonly Route[] {
  return [
    route({
      ...administer,
      method: "get",
      path: "/tokens",
      id: "listTokens",
      tag: "Tokens",
      summary: "SCIM tokens that were made here; those of the configuration file are not listed",
      params: inputs.nothing,
      body: null,
      answer: answers.tokens,
      problems: {},
      handle: async () =>
        ok({ url: scim.url, tokens: (await scim.list()).map((each) => documents.token(each, now())) }),
    }),
    route({
      ...administer,
      method: "post",
      path: "/tokens",
      id: "createToken",
      tag: "Tokens",
      summary: "Makes a SCIM token; it is given this once and kept as a hash",
      params: inputs.nothing,
      body: inputs.tokenInput,
      answer: answers.newToken,
      problems: { 404: "no such SCIM source" },
      async handle({ body: { source, label, expiresIn } }, { cause }) {
        const given = await scim.create(source, label, expiresIn ?? null, cause);
        return given === null
          ? problem(404, "NOT_FOUND", `no SCIM source "${source}"`)
          : ok(documents.givenToken(given, scim.url));
      },
    }),
    route({
      ...administer,
      method: "post",
      path: "/tokens/{id}/rotate",
      id: "rotateToken",
      tag: "Tokens",
      summary: "Makes a SCIM token in another's place, with as long a life; the old one is good for the grace period",
      params: inputs.byId,
      body: inputs.rotateTokenInput,
      answer: answers.rotatedToken,
      problems: { 404: "no such token that is still good" },
      async handle({ params: { id }, body: { grace } }, { cause }) {
        const given = await scim.rotate(id, grace, cause);
        return given === null
          ? problem(404, "NOT_FOUND", `no good token has the id ${id}`)
          : ok({
              ...documents.givenToken(given, scim.url),
              replaces: id,
              oldGoodUntil: documents.iso(given.oldGoodUntilMs),
            });
      },
    }),
    route({
      ...administer,
      method: "delete",
      path: "/tokens/{id}",
      id: "revokeToken",
      tag: "Tokens",
      summary: "Revokes a SCIM token; within a second it is refused",
      params: inputs.byId,
      body: null,
      answer: answers.revoked,
      problems: { 404: "no such token that is still good" },
      async handle({ params: { id } }, { cause }) {
        return (await scim.revoke(id, cause))
          ? ok({ id, revoked: true })
          : problem(404, "NOT_FOUND", `no good token has the id ${id}`);
      },
    }),
  ];
}

function connecting({ connections }: ApiParts): readonly Route[] {
  const tag = "Connections";
  const byName = inputs.byTarget;
  const inTime = (): AbortSignal => AbortSignal.timeout(verifyMs);
  /** What is wrong with the input is no failure of the call: 422, with the errors by field. */
  const verified = (result: Verification): Reply => ({ status: result.ok ? 200 : 422, body: result });
  const changing = { 422: "refused: `errors` says why, by field" };
  return [
    route({
      ...administer,
      role: "viewer",
      method: "get",
      path: "/connections",
      id: "listConnections",
      tag,
      summary: "Connected targets: where their credentials come from, and how they do",
      params: inputs.nothing,
      body: null,
      answer: answers.connections,
      problems: {},
      handle: async () =>
        ok({
          cannotStore: connections.cannotStore(),
          connections: (await connections.listConnections()).map(documents.connection),
        }),
    }),
    route({
      ...administer,
      method: "post",
      path: "/connections/verify",
      id: "verifyConnection",
      tag,
      summary: "Signs in with credentials and reads once; stores nothing",
      params: inputs.nothing,
      body: inputs.draftInput,
      answer: answers.verification,
      problems: changing,
      handle: async ({ body }) => verified(await connections.verifyConnection(draftOf(body), inTime())),
    }),
    route({
      ...administer,
      method: "post",
      path: "/connections",
      id: "connect",
      tag,
      summary: "Verifies credentials, then stores them encrypted; the target is served within two seconds",
      params: inputs.nothing,
      body: inputs.draftInput,
      answer: answers.verification,
      problems: changing,
      handle: async ({ body }, { cause }) =>
        verified(await connections.saveConnection(draftOf(body), cause.actor, inTime())),
    }),
    route({
      ...administer,
      method: "post",
      path: "/connections/{target}/rotate",
      id: "rotateSecret",
      tag,
      summary: "Replaces the secret of a stored connection, after verifying the new one",
      params: byName,
      body: inputs.rotateInput,
      answer: answers.verification,
      problems: changing,
      handle: async ({ params: { target }, body: { clientSecret } }, { cause }) =>
        verified(await connections.rotateSecret(target, clientSecret, cause.actor, inTime())),
    }),
    route({
      ...administer,
      method: "get",
      path: "/connections/{target}/consequences",
      id: "getConsequences",
      tag,
      summary: "What will no longer happen once it is disconnected",
      params: byName,
      body: null,
      answer: answers.consequences,
      problems: {},
      handle: async ({ params: { target } }) =>
        ok({ name: target, consequences: await connections.removalConsequences(target) }),
    }),
    route({
      ...administer,
      method: "delete",
      path: "/connections/{target}",
      id: "disconnect",
      tag,
      summary: "Forgets a stored connection; takes nobody's access away",
      params: byName,
      body: null,
      answer: answers.disconnected,
      problems: { 404: "none is stored under that name" },
      async handle({ params: { target } }, { cause }) {
        return (await connections.removeConnection(target, cause.actor))
          ? ok({ name: target, disconnected: true })
          : problem(404, "NOT_FOUND", `no connection is stored under the name ${target}`);
      },
    }),
  ];
}

/** Without the keys that are not there: they are asked of the configuration file. */
const draftOf = ({ name, type, ...rest }: ReturnType<typeof inputs.draftInput.parse>): ConnectionDraft => ({
  name,
  type,
  ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
});
