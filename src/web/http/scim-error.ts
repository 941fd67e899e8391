/** Returns an error in the form of RFC 7644 §3.12. Identity providers show its `detail` to people, also outside `/scim/v2`. */
export const scimError = (status: number, detail: string): { readonly type: string; readonly text: string } => ({
  type: "application/scim+json",
  text: JSON.stringify({ schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"], status: String(status), detail }),
});
