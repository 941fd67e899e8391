/** `STATE_UNSPECIFIED` stands for all other states, such as pending or in recovery. */
export type OnePasswordUserState = "ACTIVE" | "SUSPENDED" | "STATE_UNSPECIFIED";

export interface OnePasswordUser {
  /** 26 upper-case letters and digits. */
  readonly id: string;
  readonly email: string;
  readonly displayName: string;
  readonly state: OnePasswordUserState;
  /** RFC 3339. */
  readonly createTime: string;
  /** Not visible in the API. */
  readonly isOwner: boolean;
  /** Externally managed administrator: cannot be suspended. Not visible in the API. */
  readonly isEam: boolean;
}

export interface NewOnePasswordUser {
  readonly email: string;
  readonly id?: string;
  readonly displayName?: string;
  readonly state?: OnePasswordUserState;
  readonly createTime?: string;
  readonly owner?: boolean;
  readonly eam?: boolean;
}

export type Layout = "v1beta1" | "v1";
export type Scope = "list" | "get" | "suspend" | "reactivate";

/** How the account and its OAuth application are set up; may be changed at any time. */
export interface OnePasswordSettings {
  /** Path layouts that are served; the others are 404. Default `["v1beta1"]`. */
  layouts: readonly Layout[];
  /** Permissions of the application. Default all four. */
  scopes: readonly Scope[];
  /** True if a `User-Agent` other than `Name/version` is refused. Default true. */
  strictUserAgent: boolean;
  /** Default 900. */
  tokenLifetimeSeconds: number;
}

export const defaultOnePasswordSettings: Readonly<OnePasswordSettings> = {
  layouts: ["v1beta1"],
  scopes: ["list", "get", "suspend", "reactivate"],
  strictUserAgent: true,
  tokenLifetimeSeconds: 900,
};

interface Snapshot {
  readonly users: readonly OnePasswordUser[];
}

/** An emulated 1Password account. */
export class OnePasswordState {
  readonly accountId: string;
  readonly settings: OnePasswordSettings;
  /** Grows with every change. */
  version = 0;
  readonly #clock: () => number;
  readonly #random: () => number;
  readonly #users = new Map<string, OnePasswordUser>();
  /** Ids in list order. The id of a removed user stays, so that page tokens stay valid. */
  readonly #order: string[] = [];
  readonly #byEmail = new Map<string, string>();
  readonly #activeOwners = new Set<string>();

  constructor(options: {
    readonly accountId: string;
    readonly clock: () => number;
    readonly random: () => number;
    readonly settings: Partial<OnePasswordSettings>;
  }) {
    this.accountId = options.accountId;
    this.#clock = options.clock;
    this.#random = options.random;
    this.settings = { ...defaultOnePasswordSettings, ...options.settings };
  }

  get users(): ReadonlyMap<string, OnePasswordUser> {
    return this.#users;
  }
  get isEmpty(): boolean {
    return this.#users.size === 0;
  }

  /** Adds a user, by default ACTIVE. */
  addUser(given: NewOnePasswordUser): OnePasswordUser {
    const user: OnePasswordUser = {
      id: given.id ?? this.#newId(),
      email: given.email,
      displayName: given.displayName ?? "",
      state: given.state ?? "ACTIVE",
      createTime: given.createTime ?? new Date(this.#clock()).toISOString(),
      isOwner: given.owner ?? false,
      isEam: given.eam ?? false,
    };
    this.#order.push(user.id);
    this.#put(user);
    return user;
  }

  /** The user with this address in any letter case. */
  userByEmail(email: string): OnePasswordUser | undefined {
    const id = this.#byEmail.get(email.toLowerCase());
    return id === undefined ? undefined : this.#users.get(id);
  }

  /** State of the user with this address; undefined when there is none. */
  stateOf(email: string): OnePasswordUserState | undefined {
    return this.userByEmail(email)?.state;
  }

  /** Sorted addresses of the users in a state. */
  emailsIn(state: OnePasswordUserState): readonly string[] {
    return [...this.#users.values()]
      .filter((user) => user.state === state)
      .map((user) => user.email)
      .sort();
  }

  updateUser(id: string, patch: Partial<OnePasswordUser>): OnePasswordUser {
    const before = this.#users.get(id);
    if (before === undefined) throw new Error(`no user ${id}`);
    this.#byEmail.delete(before.email.toLowerCase());
    const after = { ...before, ...patch, id };
    this.#put(after);
    return after;
  }

  /** Deletes a user, as a person does in the console. The API cannot. */
  removeUser(email: string): void {
    const user = this.userByEmail(email);
    if (user === undefined) throw new Error(`no user has the address ${email}`);
    this.#users.delete(user.id);
    this.#byEmail.delete(email.toLowerCase());
    this.#activeOwners.delete(user.id);
    this.version += 1;
  }

  isLastActiveOwner(user: OnePasswordUser): boolean {
    return this.#activeOwners.has(user.id) && this.#activeOwners.size === 1;
  }

  /** Returns up to `size` users from a position of the list. `next` is where the next page begins, if there is one. */
  page(
    from: number,
    size: number,
    state: OnePasswordUserState | undefined,
  ): { readonly users: readonly OnePasswordUser[]; readonly next: number | undefined } {
    const users: OnePasswordUser[] = [];
    for (let position = from; position < this.#order.length; position += 1) {
      const user = this.#users.get(this.#order[position] ?? "");
      if (user === undefined || (state !== undefined && user.state !== state)) continue;
      if (users.length === size) return { users, next: position };
      users.push(user);
    }
    return { users, next: undefined };
  }

  snapshot(): Snapshot {
    return { users: this.#order.map((id) => this.#users.get(id)).filter((user) => user !== undefined) };
  }

  load(value: unknown): void {
    for (const user of (value as Snapshot).users) {
      this.#order.push(user.id);
      this.#put(user);
    }
  }

  #put(user: OnePasswordUser): void {
    this.#users.set(user.id, user);
    this.#byEmail.set(user.email.toLowerCase(), user.id);
    if (user.isOwner && user.state === "ACTIVE") this.#activeOwners.add(user.id);
    else this.#activeOwners.delete(user.id);
    this.version += 1;
  }

  #newId(): string {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    return Array.from({ length: 26 }, () => alphabet[Math.floor(this.#random() * alphabet.length)] ?? "A").join("");
  }
}
