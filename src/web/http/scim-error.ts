/** An error as RFC 7644 §3.12 has it: also beside `/scim/v2` it is an identity provider that asks, and it shows people the `detail`. */
export const scimError = (status: number, detail: string): { readonly type: string; readonly text: string } => ({
  type: "application/scim+json",
  text: JSON.stringify({ schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"], status: String(status), detail }),
});
