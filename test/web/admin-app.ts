import { createAccess } from "../../src/web/access/access.ts";
import { ROLES, type Role } from "../../src/web/access/role.ts";
import { type AdminAppParts, createAdminApp } from "../../src/web/app.ts";

export const tokenOf: Readonly<Record<Role, string>> = {
  viewer: "viewer-token-0123456789",
  operator: "operator-token-0123456789",
  admin: "admin-token-0123456789",
};

/** Behind each route: every call throws. A request that gets that far was let in. */
const floor = new Proxy(
  {},
  {
    get: () => () => {
      throw new Error("was let in");
    },
  },
);

/** The admin app with a token for each role, and the parts that a test gives. */
export function adminApp(given: object = {}) {
  const parts = {
    access: createAccess({
      tokens: ROLES.map((role) => ({ role, token: tokenOf[role] })),
      moreSecrets: [],
      publicUrl: null,
      isTls: false,
      now: Date.now,
    }),
    metrics: { text: async () => "", contentType: "text/plain" },
    oidc: null,
    version: "0",
    isSandbox: false,
    now: Date.now,
    sleep: async () => undefined,
    status: async () => ({ sources: [], targets: [] }),
    record: async () => undefined,
    log: () => undefined,
    vendorUrl: () => null,
    targets: () => ["any"],
    reader: floor,
    trail: floor,
    connections: floor,
    decisions: floor,
    plans: floor,
    scimUrl: "http://any/scim/v2",
    scim: floor,
    stopping: new AbortController().signal,
    ...given,
  } as unknown as AdminAppParts;
  return { app: createAdminApp(parts), parts };
}
