/** Bearer tokens that were issued and have not expired. */
export class Tokens {
  readonly #clock: () => number;
  readonly #expiryMs = new Map<string, number>();
  /** Tokens issued so far. */
  issued = 0;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  issue(token: string, lifetimeSeconds: number): void {
    const now = this.#clock();
    for (const [old, expiryMs] of this.#expiryMs) {
      if (expiryMs <= now) this.#expiryMs.delete(old);
    }
    this.#expiryMs.set(token, now + lifetimeSeconds * 1000);
    this.issued += 1;
  }

  isValid(token: string | undefined): boolean {
    const expiryMs = this.#expiryMs.get(token ?? "");
    return expiryMs !== undefined && expiryMs > this.#clock();
  }

  revoke(token: string): void {
    this.#expiryMs.delete(token);
  }

  /** Revokes every token. */
  revokeAll(): void {
    this.#expiryMs.clear();
  }

  /** Tokens that would be accepted now. */
  get alive(): number {
    const now = this.#clock();
    return [...this.#expiryMs.values()].filter((expiryMs) => expiryMs > now).length;
  }
}
