import type { Fault } from "../../../src/sandbox/index.ts";
import { corrupted } from "../fuzz/corrupt-answers.ts";
import { Random } from "../random.ts";
import { scimToken } from "../rollcall-process.ts";
import type { Day } from "./day.ts";
import { FastClock } from "./fast-clock.ts";
import { differences, expectedOf, mailCount, overRemovalLimit, readVendors, vendorViolations } from "./final-state.ts";
import { IdentityProvider } from "./identity-provider.ts";
import { InProcessRollcall } from "./in-process-rollcall.ts";
import { type Call, type VendorName, Vendors } from "./vendors.ts";

/** One type of fault at the vendors. `midday` runs once in the middle of the day, beside the steps. */
export interface FaultType {
  readonly begin?: (stage: Stage) => void;
  readonly midday?: (stage: Stage) => Promise<void>;
  /** Runs when the faults are over, before the last calm moment. */
  readonly afterwards?: (stage: Stage) => Promise<void>;
}

/** The parts that a fault type can change. */
export interface Stage {
  readonly vendors: Vendors;
  readonly rollcall: InProcessRollcall;
  readonly clock: FastClock;
  readonly random: Random;
}

const each = ({ vendors }: Stage, fault: Fault): void => {
  for (const { faults } of [vendors.bitwarden, vendors.onePassword]) faults.add(fault);
};
const share = 0.3;
const always = (fault: Fault): FaultType => ({ begin: (stage) => each(stage, fault) });
const serverError = { object: "error", message: "An unhandled server error has occurred.", errors: null };

const minuteMs = 60_000;
const isToken = /\/(connect|oauth2?)\/token$/;

/** The fault matrix. Faults last the whole day, except those at midday. */
export const faultTypes = {
  none: {},
  "30 % 500": always({ kind: "status", status: 500, body: serverError, probability: share }),
  "30 % 502 HTML": always({ kind: "html", probability: share }),
  "30 % 429": always({ kind: "rateLimit", retryAfterSeconds: 5, probability: share }),
  "30 % 401": always({ kind: "unauthorized", probability: share }),
  "30 % reset before the work": always({ kind: "resetBefore", probability: share }),
  "30 % reset after the work": always({ kind: "resetAfter", probability: share }),
  "all of these, 5 % each": {
    begin: (stage) => {
      each(stage, { kind: "status", status: 500, body: serverError, probability: 0.05 });
      each(stage, { kind: "html", probability: 0.05 });
      each(stage, { kind: "rateLimit", retryAfterSeconds: 5, probability: 0.05 });
      each(stage, { kind: "unauthorized", probability: 0.05 });
      each(stage, { kind: "resetBefore", probability: 0.05 });
      each(stage, { kind: "resetAfter", probability: 0.05 });
    },
  },
  "5 s latency": {
    begin: ({ vendors, clock }) => {
      for (const { faults } of [vendors.bitwarden, vendors.onePassword]) faults.latencyMs = 5000 / clock.speed;
    },
  },
  "an hour's outage": {
    midday: async ({ vendors, clock }) => {
      vendors.watch = (stage) => (stage === "arrived" ? "drop" : "go on");
      await at(clock, 1000, () => clock.sleep(60 * minuteMs));
      vendors.watch = () => "go on";
    },
  },
  "tokens that expire early": always({
    kind: "expireEarly",
    afterSeconds: 15,
    path: isToken,
    times: Number.POSITIVE_INFINITY,
  }),
  "a rotated secret": {
    midday: async ({ vendors, rollcall, clock }) => {
      for (const { faults, tokens } of [vendors.bitwarden, vendors.onePassword]) {
        tokens.revokeAll();
        faults.add({
          kind: "status",
          status: 400,
          body: { error: "invalid_client" },
          path: isToken,
          times: Number.POSITIVE_INFINITY,
        });
      }
      await at(clock, 400, () => clock.sleep(20 * minuteMs));
      // An administrator configures the new secret and restarts Rollcall.
      await rollcall.stop();
      for (const { faults } of [vendors.bitwarden, vendors.onePassword]) faults.clear();
      rollcall.start();
    },
  },
  "a page of the list missing": {
    begin: (stage) => {
      stage.vendors.rewritePath = inSmallPages;
      loseSome(stage);
    },
    // A leaver whom no list has shown since they were hired is found by the next full run, within `every`.
    afterwards: ({ clock }) => at(clock, 2000, () => clock.sleep(61 * minuteMs)),
  },
  "15 % invalid answers": {
    begin: ({ vendors, random }) => {
      vendors.rewriteAnswer = (call, answer) => {
        if (!random.chance(share / 2)) return answer;
        vendors.corrupted += 1;
        return corrupted(call, answer, random);
      };
    },
    afterwards: ({ clock }) => at(clock, 2000, () => clock.sleep(61 * minuteMs)),
  },
} as const satisfies Readonly<Record<string, FaultType>>;
export type FaultTypeName = keyof typeof faultTypes;

function loseSome({ vendors, random }: Stage): void {
  vendors.onePassword.faults.add({ kind: "dropPage", path: /\/users\?/, probability: share });
  vendors.onePassword.faults.add({ kind: "truncateList", path: /\/users\?/, probability: share });
  vendors.rewriteBody = (call, body) => (random.chance(share) ? withoutSome(call, body, random) : body);
}

/** Rollcall asks 1Password for pages of 1,000. Pages of twelve give several pages, and sometimes a complete list. */
const inSmallPages = (vendor: VendorName, path: string): string =>
  vendor === "onepassword" ? path.replace(/max_page_size=\d+/, "max_page_size=12") : path;

/** Bitwarden's list of members without some of them. */
function withoutSome({ what }: Call, body: Buffer, random: Random): Buffer {
  if (what !== "GET /api/public/members") return body;
  const list = JSON.parse(body.toString()) as { readonly data?: readonly unknown[] };
  if (list.data === undefined) return body;
  return Buffer.from(JSON.stringify({ ...list, data: list.data.filter(() => random.chance(0.8)) }));
}

async function at(clock: FastClock, speed: number, work: () => Promise<void>): Promise<void> {
  const before = clock.speed;
  clock.speed = speed;
  await work();
  clock.speed = before;
}

export interface FaultReport {
  readonly faultType: FaultTypeName;
  /** Requests hit by a fault. */
  readonly struck: number;
  readonly reads: number;
  readonly writes: number;
  readonly tokens: number;
  /** Refused by the emulated rate limit of Bitwarden's cloud, not by an injected fault. */
  readonly overLimit: number;
  readonly mails: number;
  readonly losses: number;
  readonly violations: readonly string[];
  readonly virtualMinutes: number;
  readonly seconds: number;
}

export interface FaultRunOptions {
  readonly day: Day;
  readonly seed: number;
  readonly faultType: FaultTypeName;
  readonly removalLimit: { readonly people: number; readonly windowMs: number };
}

const normalSpeed = 20;
const calmWithinMs = 120_000;
/** When a target fails as a whole, its unfinished removals count from the beginning of the run. */
const slackMs = 2 * minuteMs;

/** Replays a day while the vendors have one type of fault. */
export async function faultRun({ day, seed, faultType: name, removalLimit }: FaultRunOptions): Promise<FaultReport> {
  const startedAt = performance.now();
  const clock = new FastClock(normalSpeed);
  const beganMs = clock.now();
  const random = new Random(seed);
  const vendors = await Vendors.start({
    clock: clock.now,
    random: new Random(seed + 1).next,
    bitwarden: { rateLimits: true },
  });
  for (const email of day.onePasswordUsers) vendors.onePassword.state.addUser({ email });
  const { people, windowMs } = removalLimit;
  const rollcall = await InProcessRollcall.open({
    clock,
    vendors,
    seed,
    policy: { removalLimit: { percent: 5, atLeast: people, atMost: people, windowMs } },
  });
  const idp = new IdentityProvider({ door: { open: async () => rollcall.scimUrl }, token: scimToken });
  const faultType: FaultType = faultTypes[name];
  const stage: Stage = { vendors, rollcall, clock, random };
  const calls = { read: 0, write: 0, token: 0 };
  let tooManyRequests = 0;
  try {
    faultType.begin?.(stage);
    count(vendors, calls);
    let midday: Promise<void> | undefined;
    for (const [index, step] of day.steps.entries()) {
      if (index >= day.steps.length / 2) midday ??= faultType.midday?.(stage).finally(() => count(vendors, calls));
      if (step.kind === "calm") await Promise.all([midday, calm(stage)]);
      await idp.replay(step);
      // Identity providers are slower than this client: half a second passes between two changes.
      await clock.sleep(500);
    }
    await midday;
    const struck = vendors.bitwarden.faults.struck + vendors.onePassword.faults.struck + vendors.corrupted;
    tooManyRequests = vendors.bitwarden.requests.entries.filter(({ status }) => status === 429).length;
    for (const { faults } of [vendors.bitwarden, vendors.onePassword]) faults.clear();
    vendors.rewriteBody = (_call, body) => body;
    vendors.rewriteAnswer = (_call, answer) => answer;
    await faultType.afterwards?.(stage);
    await calm(stage);
    const violations = [
      ...((await idp.lostWrites(rollcall.scimUrl)) ?? ["no answer"]).map((wrong) => `lost write: ${wrong}`),
      ...vendorViolations(vendors),
      ...differences(readVendors(vendors, idp.everId), expectedOf(idp.acknowledged, day.onePasswordUsers)),
      ...(await rollcall.leftInPlan()),
      ...unjust(vendors, day),
      ...overRemovalLimit(vendors, removalLimit, slackMs),
    ];
    return {
      faultType: name,
      struck,
      reads: calls.read,
      writes: calls.write,
      tokens: calls.token,
      overLimit: tooManyRequests,
      mails: mailCount(vendors),
      losses: vendors.losses.length,
      violations,
      virtualMinutes: Math.round((clock.now() - beganMs) / minuteMs),
      seconds: Math.round((performance.now() - startedAt) / 100) / 10,
    };
  } finally {
    await rollcall.close();
    await idp.close();
    await vendors.close();
  }
}

/** Returns people who lost access although no write of the day takes any from them. */
function unjust({ losses }: Vendors, day: Day): readonly string[] {
  const writes = day.steps.flatMap((step) =>
    step.kind === "write" ? [step.write] : step.kind === "burst" ? step.writes : [],
  );
  const mayLose = new Set(
    writes.flatMap((each) => {
      if (each.op === "deactivate" || each.op === "delete" || each.op === "rename") return [each.person];
      return each.op === "leave" ? each.members : [];
    }),
  );
  const deletesTeams = writes.some(({ op }) => op === "deleteTeam");
  const keyOf = (email: string): string => email.split("@")[0]?.split("-").at(-1) ?? email;
  const wronged = new Set(losses.map(({ email }) => email).filter((email) => !mayLose.has(keyOf(email))));
  return deletesTeams ? [] : [...wronged].map((email) => `${email} lost access, and nobody took it away`);
}

/** Counts calls in addition to the current watcher. */
function count(vendors: Vendors, calls: { read: number; write: number; token: number }): void {
  const { watch } = vendors;
  vendors.watch = (stage, call) => {
    if (stage === "arrived") calls[call.kind] += 1;
    return watch(stage, call);
  };
}

/** Waits until all is delivered. The clock runs faster the longer it waits, for held removals and backoffs. */
async function calm({ rollcall, clock, vendors, random }: Stage): Promise<void> {
  const beganMs = performance.now();
  while (!(await rollcall.isDelivered())) {
    const waitedMs = performance.now() - beganMs;
    if (waitedMs > calmWithinMs) throw new Error(`not all delivered: ${rollcall.errors.slice(-3).join("; ")}`);
    if (clock.speed < 1000)
      clock.speed = waitedMs < 500 ? normalSpeed : Math.min(500, normalSpeed * 2 ** Math.floor(waitedMs / 400));
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  clock.speed = normalSpeed;
  const { state } = vendors.bitwarden;
  for (const { email, status } of [...state.members.values()])
    if (status === 0 && state.membersByEmail(email).length === 1 && random.chance(0.5)) state.accept(email);
}
