export { type BitwardenSettings, memberStatus, memberType } from "./bitwarden/model.ts";
export type { Permissions } from "./bitwarden/requests.ts";
export { type BitwardenOptions, type BitwardenSandbox, startBitwarden } from "./bitwarden/vendor.ts";
export { company, seedCompany } from "./company.ts";
export type { Fault, Faults } from "./kit/faults.ts";
export type { RequestLog } from "./kit/request-log.ts";
export type { SandboxOptions } from "./kit/server.ts";
export type { OnePasswordSettings, OnePasswordUser } from "./onepassword/state.ts";
export { type OnePasswordOptions, type OnePasswordSandbox, startOnePassword } from "./onepassword/vendor.ts";
