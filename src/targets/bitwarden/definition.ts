import { cloudOf, defineTarget } from "../definition.ts";
import { type BitwardenConfig, bitwardenConfig, clientId, limits, ownServer, product, regions } from "./config.ts";
import { abilities, createBitwardenTarget } from "./target.ts";

/** A limit so high that it never delays a call. Self-hosted servers have no limit of their own. */
const unlimited = 1e9;

const operations = { revoke: "suspend", remove: "remove", ignore: "ignore" } as const;

/** An organization in Bitwarden's cloud, on a self-hosted server or on Vaultwarden, by the Public API. */
export const bitwarden = defineTarget({
  type: "bitwarden",
  product,
  accountNoun: "organization",
  config: bitwardenConfig,
  regions,
  ownServer,
  credentials: [
    { key: "clientId", label: "client_id", placeholder: "organization.00000000-…", form: clientId },
    { key: "clientSecret", label: "client_secret", isSecret: true },
  ],
  abilities,
  operationNames: { suspend: "revoke" },
  stateNames: { active: "confirmed", suspended: "revoked" },
  limits,
  setup: {
    requires: "A Teams or Enterprise organization. Only an owner sees the key.",
    steps: [
      "In Bitwarden's web app, open the Admin Console.",
      "Settings → Organization info → View API key; confirm with your master password.",
      "Copy client_id (organization.…) and client_secret from there.",
    ],
    revoke: "Admin Console → Settings → Organization info → Rotate API key",
    afterLeak:
      "If the key leaks: in Bitwarden, Settings → Organization info → Rotate API key. Then, in Rollcall, Rotate the secret. The key can do everything in the organization except read its vaults.",
  },
  policyOf: (own) => ({
    groupInclude: own.groups.include,
    groupExclude: own.groups.exclude,
    groupTakeOver: own.groups.takeOver,
    protect: own.protect,
    reactivate: "always",
    onDeactivate: operations[own.onDeactivate],
    onDelete: operations[own.onDelete],
    removeAfterMs: own.removeAfterMs,
    maxSeats: own.maxSeats,
  }),
  accountOf: organizationIdOf,
  adminUrlOf,
  create: (own, environment) =>
    createBitwardenTarget({
      ...environment,
      apiUrl: own.apiUrl,
      identityUrl: own.identityUrl,
      clientId: own.clientId,
      clientSecret: own.clientSecret.reveal(),
      rateLimit: rateLimitOf(own),
    }),
});

function organizationIdOf({ clientId: id }: BitwardenConfig): string {
  return id.slice("organization.".length).toLowerCase();
}

/** The members page of the web vault. A self-hosted server has its web vault at the root of its API's host. */
function adminUrlOf(own: BitwardenConfig): string | null {
  const { protocol, origin } = new URL(own.apiUrl);
  if (protocol !== "https:") return null;
  const cloud = cloudOf(regions, own.apiUrl);
  const vault = cloud === null ? origin : `https://vault.${cloud.domain}`;
  return `${vault}/#/organizations/${encodeURIComponent(organizationIdOf(own))}/members`;
}

function rateLimitOf({ rateLimit: { perSecond, perMinutePerPath } }: BitwardenConfig) {
  const writes = { perSecond: perSecond ?? unlimited, perMinutePerPath: perMinutePerPath ?? unlimited };
  if (perSecond !== null || perMinutePerPath !== null) return writes;
  return { ...writes, readsPerSecond: unlimited, readsPerMinutePerPath: unlimited, tokensPerMinute: unlimited };
}
