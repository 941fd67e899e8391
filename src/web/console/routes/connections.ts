import { z } from "zod";
import type { ConnectionKeys } from "../../../app/connections.ts";
import type { FieldErrors } from "../../../app/verify-target.ts";
import type { TargetDefinition } from "../../../targets/definition.ts";
import { credentialKeys, definitionOf, placeKeys, productOf, targetTypes } from "../../../targets/registry.ts";
import type { ConsoleParts } from "../../parts.ts";
import type { Markup } from "../components/html.ts";
import type { PageParts } from "../components/layout.ts";
import {
  confirmForm,
  connectBody,
  disconnectBody,
  type Made,
  providerBody,
  rotateBody,
  surveyBody,
  tokenGraces,
  tokenLives,
} from "../pages/connect-form.ts";
import { connectionsBody } from "../pages/connections.ts";
import { type Asked, causeOf, type Done, done, type Pages } from "../pages.ts";

/** Maximum time to verify credentials: a person does not wait longer. */
const verifyWithinMs = 60_000;
/** Maximum time between "Verify" and "Connect". */
const draftLifeMs = 15 * 60_000;

/** Keys of the form. Other keys, such as the token against forged requests, are dropped. */
const formKeys: readonly string[] = ["name", ...placeKeys, ...credentialKeys];
const text = z.string().trim().max(2000);
const draftShape = z.object({ name: text, type: z.enum(targetTypes) }).catchall(text);
const keptShape = z.object({ atMs: z.number(), draft: draftShape });

/** Connections of targets, and tokens of identity providers. */
export function connectionRoutes(pages: Pages, parts: ConsoleParts): void {
  const { connections, scim, scimUrl, status, now, access } = parts;
  const drafts = access.sealFor("connection draft");
  const within = (): AbortSignal => AbortSignal.any([AbortSignal.timeout(verifyWithinMs), parts.stopping]);

  pages.get("/connections", "viewer", async ({ visitor }) => ({
    title: "Connections",
    section: "connections",
    lead: "The sources of users and groups, and the password managers that follow them.",
    body: connectionsBody({
      status: await status(),
      connections: await connections.listConnections(),
      tokens: await scim.list(),
      cannotStore: connections.cannotStore(),
      visitor,
      nowMs: now(),
    }),
  }));

  pages.get("/connections/new/provider", "admin", async ({ request, visitor }) => {
    const source = (await status()).sources.find(
      ({ name, type }) => type === "scim" && name === String(request.query["source"] ?? name),
    );
    if (source === undefined) return null;
    return providerPage(source.name, null, visitor);
  });

  pages.post("/connections/new/provider", "admin", async ({ visitor }, form) => {
    const source = form["source"] ?? "";
    const lifeMs = tokenLives[form["life"] ?? ""] ?? null;
    const label = (form["label"] ?? "").trim().slice(0, 100);
    const made = await scim.create(source, label, lifeMs, causeOf(visitor));
    return made === null ? null : providerPage(source, made, visitor);
  });
  const providerPage = (source: string, made: Made | null, visitor: Asked["visitor"]): PageParts =>
    pageOf(
      made?.oldGoodUntilMs === undefined ? `Connect an identity provider to ${source}` : `A new token for ${source}`,
      providerBody(source, scimUrl, made, visitor),
    );

  const tokens = "/connections#sources";
  pages.post("/connections/tokens/:id/rotate", "admin", async ({ param, visitor }, form): Promise<Done | PageParts> => {
    const graceMs = tokenGraces[form["grace"] ?? ""];
    const made = graceMs === undefined ? null : await scim.rotate(param("id"), { graceMs }, causeOf(visitor));
    if (made !== null) return providerPage(made.source, made, visitor);
    return done(tokens, "bad", "No valid token has that id: no new token was made.");
  });

  pages.post("/connections/tokens/:id/revoke", "admin", async ({ param, visitor }): Promise<Done> => {
    const isRevoked = await scim.revoke(param("id"), causeOf(visitor));
    return isRevoked
      ? done(tokens, "good", "The token is revoked: it is refused within a second.")
      : done(tokens, "bad", "No valid token has that id.");
  });

  pages.get("/connections/new/:type", "admin", async ({ param, visitor }) => {
    const definition = definitionOf(param("type"));
    return definition === undefined ? null : connectPage({ definition, draft: {}, errors: {}, visitor });
  });

  pages.post("/connections/new/:type", "admin", async ({ param, visitor }, form): Promise<Done | PageParts | null> => {
    const definition = definitionOf(param("type"));
    if (definition === undefined) return null;
    if (form["kept"] !== undefined) return save(definition, form["kept"], visitor);
    const filled = draftShape.safeParse({ name: "", ...chosen(definition, form), type: definition.type });
    if (!filled.success)
      return connectPage({ definition, draft: {}, errors: { "": "One of the fields is too long." }, visitor });
    const draft = filled.data;
    const verified = await connections.verifyConnection(draft, within());
    if (!verified.ok) return connectPage({ definition, draft, errors: verified.errors, visitor });
    const kept = drafts.seal({ atMs: now(), draft });
    const confirm = confirmForm(draft.name, definition.type, kept, visitor);
    return pageOf(`Connect ${definition.product}`, surveyBody(definition, verified.survey, confirm));
  });

  async function save(
    definition: TargetDefinition,
    kept: string,
    visitor: Asked["visitor"],
  ): Promise<Done | PageParts> {
    const opened = keptShape.safeParse(drafts.open(kept));
    if (!opened.success || now() - opened.data.atMs > draftLifeMs)
      return done("/connections", "bad", "The credentials were verified too long ago. Enter them again.");
    const { draft } = opened.data;
    const saved = await connections.saveConnection(draft, visitor.actor, within());
    if (!saved.ok) return connectPage({ definition, draft, errors: saved.errors, visitor });
    const text = `${draft.name} is connected. Its first sync starts within two seconds.`;
    return done(`/connections#${draft.name}`, "good", text);
  }

  const stored = async (name: string) =>
    (await connections.listConnections()).find((each) => each.name === name && each.from !== "file") ?? null;

  pages.get("/connections/:name/rotate", "admin", async ({ param, visitor }) => {
    const connection = await stored(param("name"));
    return connection === null ? null : rotatePage(connection.name, connection.type, {}, visitor);
  });
  pages.post("/connections/:name/rotate", "admin", async ({ param, visitor }, form) => {
    const connection = await stored(param("name"));
    if (connection === null) return null;
    const { name, type } = connection;
    const rotated = await connections.rotateSecret(name, form["clientSecret"] ?? "", visitor.actor, within());
    if (!rotated.ok) return rotatePage(name, type, rotated.errors, visitor);
    const text = `${name} uses the new secret. Revoke the old one in ${productOf(type)} now.`;
    return done(`/connections#${name}`, "good", text);
  });
  const rotatePage = (name: string, type: string, errors: FieldErrors, visitor: Asked["visitor"]): PageParts =>
    pageOf(`Rotate the secret of ${name}`, rotateBody(name, type, errors, visitor), errors);

  const disconnectPage = async (name: string, errors: FieldErrors, visitor: Asked["visitor"]): Promise<PageParts> => {
    const consequences = await connections.removalConsequences(name);
    return pageOf(`Disconnect ${name}`, disconnectBody(name, consequences, errors, visitor), errors);
  };
  pages.get("/connections/:name/disconnect", "admin", async ({ param, visitor }) =>
    (await stored(param("name"))) === null ? null : disconnectPage(param("name"), {}, visitor),
  );
  pages.post(
    "/connections/:name/disconnect",
    "admin",
    async ({ param, visitor }, form): Promise<Done | PageParts | null> => {
      const name = param("name");
      if ((await stored(name)) === null) return null;
      if ((form["confirm"] ?? "").trim() !== name)
        return disconnectPage(name, { confirm: `Nothing is disconnected: type ${name} to confirm.` }, visitor);
      if (!(await connections.removeConnection(name, visitor.actor))) return null;
      const text = `${name} is disconnected. Nobody has lost access. Revoke the key at the vendor too.`;
      return done("/connections", "good", text);
    },
  );

  pages.post("/connections/:name/sync", "operator", async ({ param }): Promise<Done | null> => {
    const name = param("name");
    if (!connections.syncNow(name)) return null;
    return done(`/connections#${name}`, "good", `${name} is being checked and synced now.`);
  });
}

const connectPage = (form: Parameters<typeof connectBody>[0]): PageParts =>
  pageOf(`Connect ${form.definition.product}`, connectBody(form), form.errors);

const pageOf = (title: string, body: Markup, errors: FieldErrors = {}): PageParts => ({
  status: Object.keys(errors).length === 0 ? 200 : 422,
  title,
  section: "connections",
  trail: [{ href: "/connections", label: "Connections" }],
  body,
});

/** The filled fields of the form. The choice between a region and the URLs of an own server decides which of them count. */
function chosen(
  { placeKeys: places }: TargetDefinition,
  form: Readonly<Record<string, string | undefined>>,
): ConnectionKeys {
  const isOwn = form["region"] === "own";
  const counts = (key: string): boolean => !places.includes(key) || (key === "region") !== isOwn;
  return Object.fromEntries(
    formKeys.flatMap((key) => {
      const value = form[key] ?? "";
      return value !== "" && counts(key) ? [[key, value]] : [];
    }),
  );
}
