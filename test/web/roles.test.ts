import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROLES, type Role } from "../../src/web/access/role.ts";
import { apiRoutes } from "../../src/web/api/router.ts";
import { createConsole } from "../../src/web/console/router.ts";
import { adminApp, tokenOf } from "./admin-app.ts";
import { openTab, serveApp, type Tab } from "./browser.ts";

/** Everything that the admin listener answers to people who have signed in, and the least role for it. */
const routes = `
GET    /metrics                              viewer
GET    /                                     viewer
GET    /people                               viewer
GET    /people/:id                           viewer
POST   /people/:id/sync                      operator
POST   /people/:id/reinvite                  operator
GET    /groups                               viewer
GET    /groups/:id                           viewer
POST   /groups/:id/sync                      operator
GET    /plan                                 viewer
POST   /plan/:target/work-out                operator
POST   /plan/:target/approve                 operator
POST   /plan/:target/dismiss                 operator
GET    /plan/:target/held.:format            viewer
GET    /plan/:target/plan.:format            viewer
GET    /connections                          viewer
GET    /connections/new/provider             admin
POST   /connections/new/provider             admin
POST   /connections/tokens/:id/revoke        admin
POST   /connections/tokens/:id/rotate        admin
GET    /connections/new/:type                admin
POST   /connections/new/:type                admin
GET    /connections/:name/rotate             admin
POST   /connections/:name/rotate             admin
GET    /connections/:name/disconnect         admin
POST   /connections/:name/disconnect         admin
POST   /connections/:name/sync               operator
GET    /activity                             viewer
GET    /activity/stream                      viewer
GET    /activity/export.:format              viewer
GET    /activity/lost-access                 viewer
GET    /activity/lost-access/export.:format  viewer
GET    /api/v1/openapi.json                  viewer
GET    /api/v1/status                        viewer
GET    /api/v1/overview                      viewer
GET    /api/v1/people                        viewer
GET    /api/v1/people/{id}                   viewer
GET    /api/v1/groups                        viewer
GET    /api/v1/groups/{id}                   viewer
GET    /api/v1/targets/{target}/plan         operator
GET    /api/v1/targets/{target}/held         viewer
GET    /api/v1/activity                      viewer
GET    /api/v1/activity/stream               viewer
GET    /api/v1/activity/lost-access          viewer
GET    /api/v1/audit/export                  viewer
GET    /api/v1/audit/lost-access             viewer
POST   /api/v1/targets/{target}/approve      operator
POST   /api/v1/targets/{target}/dismiss      operator
POST   /api/v1/targets/{target}/sync         operator
POST   /api/v1/people/{id}/sync              operator
POST   /api/v1/people/{id}/reinvite          operator
GET    /api/v1/tokens                        admin
POST   /api/v1/tokens                        admin
POST   /api/v1/tokens/{id}/rotate            admin
DELETE /api/v1/tokens/{id}                   admin
GET    /api/v1/connections                   viewer
POST   /api/v1/connections/verify            admin
POST   /api/v1/connections                   admin
POST   /api/v1/connections/{target}/rotate   admin
GET    /api/v1/connections/{target}/consequences admin
DELETE /api/v1/connections/{target}          admin
`
  .trim()
  .split("\n")
  .map((line) => {
    const [method = "", path = "", role] = line.split(/ +/);
    return { method, path, role: role as Role };
  });
/** For everybody, and without a person's data: tested in `sign-in.test.ts`. */
const open = ["GET /healthz", "GET /sign-in", "POST /sign-in", "POST /sign-out"];

interface Layer {
  readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> };
}
const registered = ({ stack }: { readonly stack: readonly unknown[] }): readonly string[] =>
  (stack as readonly Layer[]).flatMap(({ route }) =>
    route === undefined ? [] : Object.keys(route.methods).map((method) => `${method.toUpperCase()} ${route.path}`),
  );

describe("roles on the admin listener", () => {
  let server: Awaited<ReturnType<typeof serveApp>>;
  const tabs = new Map<Role, Tab>();
  beforeAll(async () => {
    server = await serveApp(adminApp().app);
    for (const role of ROLES) {
      const tab = openTab(server.url);
      await tab.post("/sign-in", { token: tokenOf[role], to: "/" });
      tabs.set(role, tab);
    }
  });
  afterAll(() => server.close());

  const urlOf = (path: string): string => path.replace(/[:{]\w+\}?/g, "any");
  const below = (role: Role): readonly Role[] => ROLES.slice(0, ROLES.indexOf(role));

  it("are said above for every route that there is", () => {
    const { app, parts } = adminApp();
    const there = [
      ...registered(app.router),
      ...registered(createConsole(parts)),
      // Those of sign-in are in a router of their own.
      ...open.slice(1),
      "GET /api/v1/openapi.json",
      ...apiRoutes(parts).map(({ method, path }) => `${method.toUpperCase()} /api/v1${path}`),
    ];
    expect(there.toSorted()).toEqual([...open, ...routes.map(({ method, path }) => `${method} ${path}`)].toSorted());
  });

  it.each(routes)("allow $method $path from $role on", async ({ method, path, role }) => {
    const ask = async (headers: Record<string, string>): Promise<number> => {
      const answer = await fetch(server.url + urlOf(path), { method, headers, redirect: "manual" });
      await answer.body?.cancel();
      return answer.status;
    };
    const withToken = (as: Role) => ask({ authorization: `Bearer ${tokenOf[as]}` });
    expect([401, 303]).toContain(await ask({}));
    for (const lower of below(role)) expect(await withToken(lower), `token, ${lower}`).toBe(403);
    expect([401, 403]).not.toContain(await withToken(role));
    for (const lower of below(role)) {
      const cookie = `rollcall=${tabs.get(lower)?.cookies.get("rollcall")}`;
      const csrf = await tabs.get(lower)?.csrf("/plan");
      expect(
        await ask({ cookie, "sec-fetch-site": "same-origin", "x-csrf-token": csrf ?? "" }),
        `session, ${lower}`,
      ).toBe(403);
    }
  });

  it.each(routes.filter(({ method }) => method !== "GET"))(
    "$method $path does nothing for a page of somebody else",
    async ({ method, path, role }) => {
      const cookie = `rollcall=${tabs.get(role)?.cookies.get("rollcall")}`;
      for (const headers of [
        { "sec-fetch-site": "cross-site" },
        { origin: "https://evil.example" },
        { "sec-fetch-site": "same-origin" },
        { "sec-fetch-site": "same-origin", "content-type": "application/json" },
        {},
      ]) {
        const answer = await fetch(server.url + urlOf(path), {
          method,
          headers: { "content-type": "application/x-www-form-urlencoded", cookie, ...headers },
          body: "{}",
        });
        expect([answer.status, await answer.text()], JSON.stringify(headers)).toEqual([
          403,
          expect.stringContaining("FORGED"),
        ]);
      }
    },
  );
});
