export type { ScimPrincipal } from "./auth.ts";
export type { RequestInfo, ScimLimits, ScimOptions } from "./options.ts";
export { createScimRouter } from "./router.ts";
