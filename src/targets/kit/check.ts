import { messageOf } from "../../domain/model/errors.ts";
import type { CheckFinding } from "../../domain/ports/target.ts";

/** Lists the accounts. Returns a finding about that, and a warning for each limit that everybody must know. */
export async function checkSignIn(
  name: string,
  limits: readonly string[],
  listAccounts: () => Promise<readonly unknown[]>,
): Promise<readonly CheckFinding[]> {
  const warnings = limits.map((limit): CheckFinding => ({ level: "warning", message: `${name}: ${limit}` }));
  try {
    const count = (await listAccounts()).length.toLocaleString("en");
    return [{ level: "ok", message: `${name}: signed in, ${count} people` }, ...warnings];
  } catch (error) {
    return [{ level: "error", message: messageOf(error) }, ...warnings];
  }
}
