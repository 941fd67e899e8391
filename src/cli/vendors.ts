import type { ConnectionType } from "../app/connection-types.ts";

/** What people must know to connect a vendor. */
export interface VendorFacts {
  /** As people call it. */
  readonly product: string;
  /** What a connection leads to. */
  readonly account: string;
  readonly regions: readonly { readonly value: string; readonly name: string }[];
  /** Where the credentials are found. */
  readonly whereToFind: string;
  /** What to do with the key when it is no longer used, or has leaked. */
  readonly howToRevoke: string;
}

/** By type (contract sheets of the Bitwarden Public API, §1, and of the 1Password Users API, §1). */
export const vendors: Readonly<Record<ConnectionType, VendorFacts>> = {
  bitwarden: {
    product: "Bitwarden",
    account: "organization",
    regions: [
      { value: "us", name: "US cloud (vault.bitwarden.com)" },
      { value: "eu", name: "EU cloud (vault.bitwarden.eu)" },
    ],
    whereToFind: [
      "Bitwarden, Teams or Enterprise. As an owner: Admin Console > Settings > Organization info > View API key.",
      "It shows client_id (organization.<guid>) and client_secret. The key acts as an owner: whoever has it can do",
      "everything in the organization but read its vaults.",
    ].join("\n"),
    howToRevoke: "Admin Console > Settings > Organization info > Rotate API key",
  },
  onepassword: {
    product: "1Password",
    account: "account",
    regions: [
      { value: "com", name: "1Password.com" },
      { value: "ca", name: "1Password.ca" },
      { value: "eu", name: "1Password.eu" },
    ],
    whereToFind: [
      "1Password Business. As an owner, an administrator or in the Security group: Integrations > Directory > OAuth",
      "Application, with the permissions List users, Get a user, Suspend a user, Reactivate a user. The redirect URL is",
      "asked for and never used; the secret is shown once. The account id stands in the web app's address, between",
      "/app#/ and /AllItems. Not on accounts with automated provisioning (SCIM): 1Password does not support the two together.",
    ].join("\n"),
    howToRevoke: "Integrations > Directory > the OAuth application > Revoke",
  },
};
