import { countByAddress } from "./attempts.ts";

/** Sign-ins at the provider that one address may fail within a minute; people behind one address succeed. */
const perAddress = 20;
/** The same for all addresses together. */
const inAll = 120;
/** Sign-ins that the provider is working on. */
const inFlight = 20;
/** When a place may be free again. */
const busySeconds = 5;
const everybody = "all";

/** This sign-in has to wait: the provider would be asked too often. */
export class TooManySignIns extends Error {
  /** Whole seconds. */
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number) {
    super(`the identity provider would be asked too often; again in ${retryAfterSeconds} s`);
    this.name = "TooManySignIns";
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Bounds how often strangers can have the identity provider asked, with our client secret, about codes that they made up. */
export interface ProviderCalls {
  /**
   * Asks within the bounds; what succeeds counts for nothing afterwards.
   * @throws TooManySignIns without asking, and what `ask` throws
   */
  within<T>(address: string, ask: () => Promise<T>): Promise<T>;
}

/** `now` in milliseconds since the epoch. */
export function createProviderCalls(now: () => number): ProviderCalls {
  const failed = countByAddress(now);
  // A key of its own beside the addresses would be forgotten with them.
  const failedInAll = countByAddress(now);
  let asking = 0;
  return {
    async within(address, ask) {
      if (failed.count(address) >= perAddress) throw new TooManySignIns(failed.endsInSeconds(address));
      if (failedInAll.count(everybody) >= inAll) throw new TooManySignIns(failedInAll.endsInSeconds(everybody));
      if (asking >= inFlight) throw new TooManySignIns(busySeconds);
      // Counted before it is known: many at once are no more than one after the other.
      failed.add(address, 1);
      failedInAll.add(everybody, 1);
      asking += 1;
      try {
        const answer = await ask();
        failed.add(address, -1);
        failedInAll.add(everybody, -1);
        return answer;
      } finally {
        asking -= 1;
      }
    },
  };
}
