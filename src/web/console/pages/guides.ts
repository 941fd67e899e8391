/** The setup of an identity provider in short; the full guide is in `docs/guides`. */
export interface ProviderGuide {
  readonly id: string;
  readonly name: string;
  readonly steps: readonly string[];
}

/** Where to enter the URL and the token, in each provider's own words. */
export const providerGuides: readonly ProviderGuide[] = [
  {
    id: "entra-id",
    name: "Microsoft Entra ID",
    steps: [
      "Enterprise applications → New application → Create your own → “Integrate any other application you don't find in the gallery”.",
      "Provisioning → Automatic. Tenant URL: the base URL. Secret token: the token. Test Connection.",
      'Mappings: keep userName, active, displayName, emails[type eq "work"].value, name.*, externalId.',
      "Assign people and groups, then Start provisioning. Entra sends changes every 40 minutes.",
    ],
  },
  {
    id: "okta",
    name: "Okta",
    steps: [
      "Applications → Browse App Catalog → “SCIM 2.0 Test App (OAuth Bearer Token)”, or add SCIM to your own app.",
      "Provisioning → Configure API Integration. Base URL: the base URL. API Token: the token. Test API Credentials.",
      "To App: enable Create Users, Update User Attributes, Deactivate Users.",
      "Assign people under Assignments and groups under Push Groups.",
    ],
  },
  {
    id: "google-workspace",
    name: "Google Workspace",
    steps: [
      "Apps → Web and mobile apps → Add app. Choose an app of the catalog that has automatic provisioning.",
      "Autoprovisioning → Set up. Access token: the token. Endpoint URL: the base URL.",
      "Map at least userName, name.givenName, name.familyName, emails, active; then turn it on.",
    ],
  },
  {
    id: "onelogin",
    name: "OneLogin",
    steps: [
      "Applications → Add App → “SCIM Provisioner with SAML (SCIM v2 Core)”.",
      "Configuration: SCIM Base URL: the base URL. SCIM Bearer Token: the token. API Status: Enable.",
      "Provisioning: enable it, and choose what happens when people are deleted.",
    ],
  },
  {
    id: "jumpcloud",
    name: "JumpCloud",
    steps: [
      "SSO Applications → your application → Identity Management → Configuration Settings.",
      "API type SCIM API, version 2.0. Base URL: the base URL. Token Key: the token. Test, then Activate.",
      "To send groups too, enable the management of user groups.",
    ],
  },
  {
    id: "keycloak",
    name: "Keycloak",
    steps: [
      "Keycloak sends SCIM with an extension, such as scim-for-keycloak; add it as user federation or event listener.",
      "Endpoint: the base URL. Authentication: bearer, the token. Content type application/scim+json.",
    ],
  },
  {
    id: "authentik",
    name: "authentik",
    steps: [
      "Applications → Providers → Create → SCIM Provider. URL: the base URL. Token: the token.",
      "Add it to an application as backchannel provider; choose which people and groups it sends.",
    ],
  },
  {
    id: "pingone",
    name: "PingOne",
    steps: [
      "Integrations → Provisioning → New connection → SCIM Outbound.",
      "SCIM Base URL: the base URL. Authentication: OAuth 2 bearer token, the token. Then add a rule and enable both.",
    ],
  },
  {
    id: "other",
    name: "Something else that speaks SCIM 2.0",
    steps: [
      "Base URL (also called tenant or endpoint URL): the base URL, ending in /scim/v2.",
      "Authentication: HTTP header or bearer token, the token.",
    ],
  },
];
