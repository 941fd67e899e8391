import { emptyScope } from "./empty-scope.ts";
import type { Guard } from "./guard.ts";
import { reassignedEmail } from "./reassigned-email.ts";
import { removalLimit } from "./removal-limit.ts";
import { restoredCopy } from "./restored-copy.ts";
import { returning } from "./returning.ts";
import { seats } from "./seats.ts";

/** All rules. The order is the precedence: the first guard that holds a change gives the reason. */
export const guards: readonly Guard[] = [restoredCopy, emptyScope, removalLimit, reassignedEmail, returning, seats];
