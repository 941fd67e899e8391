import { defineTarget } from "../definition.ts";
import { limits, onePasswordConfig, ownServer, product, regions } from "./config.ts";
import { abilities, createOnePasswordTarget } from "./target.ts";

/** A 1Password Business account, by the Users API for Partners. */
export const onePassword = defineTarget({
  type: "onepassword",
  product,
  accountNoun: "account",
  config: onePasswordConfig,
  regions,
  ownServer,
  credentials: [
    {
      key: "accountId",
      label: "Account ID",
      help: "26 capital letters and digits, in the web app's address between /app#/ and /AllItems.",
    },
    { key: "clientId", label: "Client ID" },
    { key: "clientSecret", label: "Client secret", isSecret: true },
  ],
  abilities,
  operationNames: { restore: "reactivate" },
  stateNames: {},
  limits,
  setup: {
    requires: "A Business account. An owner, an administrator or a member of the Security group can do this.",
    steps: [
      "In 1Password's web app: Integrations → Directory → OAuth Application.",
      "Give it these four permissions: List users, Get a user, Suspend a user, Reactivate a user.",
      "1Password asks for a redirect URL, which is never used. It shows the secret once: copy it now.",
      "The account ID is in the web app's address, between /app#/ and /AllItems.",
    ],
    revoke: "Integrations → Directory → the OAuth application → Revoke",
    afterLeak:
      "If the secret leaks: in 1Password, Integrations → Directory → the OAuth application → Revoke, and make a new one. Then, in Rollcall, Rotate the secret.",
  },
  policyOf: (own) => ({
    groupInclude: [],
    groupExclude: [],
    groupTakeOver: [],
    protect: own.protect,
    reactivate: own.reactivate,
    onDeactivate: own.onDeactivate,
    onDelete: own.onDelete,
    removeAfterMs: null,
    maxSeats: null,
  }),
  accountOf: (own) => own.accountId,
  // The start page leads to each account's own address. An emulator has none.
  adminUrlOf: (own) => (own.apiUrl.startsWith("https:") ? "https://start.1password.com/" : null),
  create: (own, environment) =>
    createOnePasswordTarget({
      ...environment,
      apiUrl: own.apiUrl,
      accountId: own.accountId,
      clientId: own.clientId,
      clientSecret: own.clientSecret.reveal(),
      apiVersion: own.apiVersion,
    }),
});
