import { RollcallError } from "../../../domain/model/errors.ts";
import type { LdapResult } from "./wire.ts";

// RFC 4511 Appendix A.
const nameOf: Readonly<Record<number, string>> = {
  1: "operationsError",
  2: "protocolError",
  3: "timeLimitExceeded",
  4: "sizeLimitExceeded",
  7: "authMethodNotSupported",
  8: "strongerAuthRequired",
  10: "referral",
  11: "adminLimitExceeded",
  12: "unavailableCriticalExtension",
  13: "confidentialityRequired",
  14: "saslBindInProgress",
  16: "noSuchAttribute",
  17: "undefinedAttributeType",
  18: "inappropriateMatching",
  21: "invalidAttributeSyntax",
  32: "noSuchObject",
  33: "aliasProblem",
  34: "invalidDNSyntax",
  48: "inappropriateAuthentication",
  49: "invalidCredentials",
  50: "insufficientAccessRights",
  51: "busy",
  52: "unavailable",
  53: "unwillingToPerform",
  54: "loopDetect",
  80: "other",
  4096: "syncRefreshRequired",
};

const adviceOf: Readonly<Record<number, string>> = {
  3: "the server's time limit for this account is too short, or an attribute of the filter is not indexed",
  4: "the server's size limit for this account is too low for a complete list",
  8: "use ldaps:// or tls.startTls",
  11: "the server's limit for this account is too low: lower pageSize or raise the limit",
  13: "use ldaps:// or tls.startTls",
  32: "check baseDn",
  34: "check baseDn and bindDn",
  49: "check bindDn and bindPassword",
  50: "the account may not read this",
};

// Active Directory tells why in the diagnostic text: `… data 52e, v1db1` (Win32 error codes, MS-ERREF 2.2).
const activeDirectoryReason: Readonly<Record<string, string>> = {
  525: "no such account",
  "52e": "wrong name or password",
  530: "not allowed at this time",
  531: "not allowed from this workstation",
  532: "the password has expired",
  533: "the account is disabled",
  701: "the account has expired",
  773: "the password must be changed",
  775: "the account is locked",
};

/** A result for people: name, code, the server's words, what to do. */
export function describeResult({ code, diagnostic, referrals }: LdapResult): string {
  const reason = activeDirectoryReason[/ data ([0-9a-f]+),/i.exec(diagnostic)?.[1]?.toLowerCase() ?? ""];
  const words = [
    diagnostic.trim(),
    reason,
    referrals.length > 0 ? `it points to ${referrals.join(", ")}, which is not followed` : undefined,
    adviceOf[code],
  ];
  const said = words.filter((word) => word !== undefined && word !== "");
  return [`${nameOf[code] ?? "result"} (${code})`, ...said].join("; ");
}

/** Result codes after which the same request may succeed later without anybody's help. */
const passing = new Set([3, 51, 52]);

/** The error for a search that did not end with success. */
export const incomplete = (what: string, result: LdapResult): RollcallError =>
  new RollcallError("SOURCE_INCOMPLETE", `${what}: ${describeResult(result)}`, {
    isPermanent: !passing.has(result.code),
  });
