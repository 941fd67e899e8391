import type { ConnectionDraft } from "../../app/connections.ts";
import type { Verification } from "../../app/verify-target.ts";
import { isoTime, withIsoTimes } from "../../text/times.ts";
import type { AdminParts } from "../parts.ts";
import * as answers from "./answer-schemas.ts";
import * as documents from "./documents.ts";
import * as inputs from "./input-schemas.ts";
import { noTarget, requireTarget } from "./queries.ts";
import { ok, problem, type Reply, type Route, routesOf } from "./route.ts";

/** Maximum time to verify credentials. */
const verifyWithinMs = 60_000;

/** The operations that change something: an operator syncs, approves and invites again; an admin also connects and makes tokens. */
export function actingRoutes(parts: AdminParts): readonly Route[] {
  return [...decisions(parts), ...requests(parts), ...tokens(parts), ...connecting(parts)];
}

function decisions(parts: AdminParts): readonly Route[] {
  const { operate } = routesOf("Plan and removals");
  const decision = (name: "approve" | "dismiss", done: string, summary: string): Route =>
    operate({
      path: `/targets/{target}/${name}`,
      id: `${name}Held`,
      summary,
      body: inputs.approveInput,
      answer: answers.decided(done),
      problems: { 404: "no such target", 409: "the held changes are different by now" },
      async handle({ target, body: { digest } }, { cause }) {
        requireTarget(target, parts);
        const count = await parts.decisions[name](target, digest, cause);
        return count > 0
          ? ok({ target, digest, [done]: count })
          : problem(409, "NO_SUCH_DIGEST", `${target} holds no changes with digest ${digest}: read what is held now`);
      },
    });
  return [
    decision("approve", "approved", "Lets exactly the held changes with that digest pass once"),
    decision(
      "dismiss",
      "dismissed",
      "Keeps exactly the held changes with that digest held, whatever the limit allows, until they are approved",
    ),
  ];
}

function requests(parts: AdminParts): readonly Route[] {
  const { reader, connections, targets, now } = parts;
  const { operate } = routesOf("People and groups");
  return [
    routesOf("Plan and removals").operate({
      path: "/targets/{target}/sync",
      id: "syncTarget",
      summary: "Checks and syncs the whole target now",
      answer: answers.asked,
      problems: { 404: "no such target" },
      async handle({ target }) {
        if (!connections.syncNow(target)) throw noTarget(target, parts);
        return ok({ targets: [target] });
      },
    }),
    operate({
      path: "/people/{id}/sync",
      id: "syncPerson",
      summary: "Checks and syncs one person now, in one target or in all, without a wait for the next retry",
      body: inputs.personSyncInput,
      answer: answers.asked,
      problems: { 404: "no such person or target" },
      async handle({ id, body: { target } }, { cause }) {
        requireTarget(target, parts);
        const names = target === undefined ? targets() : [target];
        if ((await reader.person(id, [])) === null) return problem(404, "NOT_FOUND", `no person ${id}`);
        for (const each of names) await reader.askSync(each, id, cause, now());
        return ok({ targets: names });
      },
    }),
    operate({
      path: "/people/{id}/reinvite",
      id: "reinvitePerson",
      summary: "Sends a person's invitation again in the next run",
      body: inputs.reinviteInput,
      answer: answers.asked,
      problems: { 404: "no such target", 409: "the target does not show the person as invited" },
      async handle({ id, body: { target } }, { cause }) {
        requireTarget(target, parts);
        return (await reader.askReinvite(target, id, cause, now()))
          ? ok({ targets: [target] })
          : problem(409, "NOT_INVITED", `${target} does not show person ${id} as invited: no invitation is sent`);
      },
    }),
  ];
}

function tokens({ scim, scimUrl, now }: AdminParts): readonly Route[] {
  const { administer } = routesOf("Tokens");
  const noToken = (id: string) => problem(404, "NOT_FOUND", `no valid token has the id ${id}`);
  return [
    administer({
      method: "get",
      path: "/tokens",
      id: "listTokens",
      summary: "SCIM tokens that were made here; those of the configuration file are not listed",
      answer: answers.tokens,
      handle: async () => ok({ url: scimUrl, tokens: (await scim.list()).map((each) => documents.token(each, now())) }),
    }),
    administer({
      path: "/tokens",
      id: "createToken",
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
    administer({
      path: "/tokens/{id}/rotate",
      id: "rotateToken",
      summary: "Replaces a SCIM token by one with the same lifetime; the old one stays valid for the grace period",
      body: inputs.rotateTokenInput,
      answer: answers.rotatedToken,
      problems: { 404: "no such valid token" },
      async handle({ id, body: { grace } }, { cause }) {
        const made = await scim.rotate(id, { graceMs: grace }, cause);
        if (made === null) return noToken(id);
        const oldGoodUntil = isoTime(made.oldGoodUntilMs);
        return ok({ ...documents.madeToken(made, scimUrl), replaces: id, oldGoodUntil });
      },
    }),
    administer({
      method: "delete",
      path: "/tokens/{id}",
      id: "revokeToken",
      summary: "Revokes a SCIM token; it is refused within a second",
      answer: answers.revoked,
      problems: { 404: "no such valid token" },
      handle: async ({ id }, { cause }) => ((await scim.revoke(id, cause)) ? ok({ id, revoked: true }) : noToken(id)),
    }),
  ];
}

function connecting({ connections }: AdminParts): readonly Route[] {
  const { administer } = routesOf("Connections");
  const inTime = (): AbortSignal => AbortSignal.timeout(verifyWithinMs);
  /** Wrong credentials are no failure of the call: 422, with the errors by field. */
  const verified = (result: Verification): Reply => ({ status: result.ok ? 200 : 422, body: result });
  const changing = {
    answer: answers.verification,
    problems: { 422: "refused: `errors` has the reasons, by field" },
  };
  return [
    administer({
      role: "viewer",
      method: "get",
      path: "/connections",
      id: "listConnections",
      summary: "Connected targets: where their credentials come from, and their state",
      answer: answers.connections,
      handle: async () =>
        ok({
          cannotStore: connections.cannotStore(),
          connections: (await connections.listConnections()).map(withIsoTimes),
        }),
    }),
    administer({
      ...changing,
      path: "/connections/verify",
      id: "verifyConnection",
      summary: "Signs in with credentials and reads once; stores nothing",
      body: inputs.draftInput,
      handle: async ({ body }) => verified(await connections.verifyConnection(draftOf(body), inTime())),
    }),
    administer({
      ...changing,
      path: "/connections",
      id: "connect",
      summary: "Verifies credentials, then stores them encrypted; the target is served within two seconds",
      body: inputs.draftInput,
      handle: async ({ body }, { cause }) =>
        verified(await connections.saveConnection(draftOf(body), cause.actor, inTime())),
    }),
    administer({
      ...changing,
      path: "/connections/{target}/rotate",
      id: "rotateSecret",
      summary: "Replaces the secret of a stored connection, after verifying the new one",
      body: inputs.rotateInput,
      handle: async ({ target, body: { clientSecret } }, { cause }) =>
        verified(await connections.rotateSecret(target, clientSecret, cause.actor, inTime())),
    }),
    administer({
      method: "get",
      path: "/connections/{target}/consequences",
      id: "getConsequences",
      summary: "The consequences of disconnecting the target",
      answer: answers.consequences,
      handle: async ({ target }) => ok({ name: target, consequences: await connections.removalConsequences(target) }),
    }),
    administer({
      method: "delete",
      path: "/connections/{target}",
      id: "disconnect",
      summary: "Deletes a stored connection; nobody loses access",
      answer: answers.disconnected,
      problems: { 404: "no connection is stored under that name" },
      handle: async ({ target }, { cause }) =>
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
