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

/** Values for `addUser`. All except the e-mail address have defaults. */
export interface NewOnePasswordUser extends Partial<Omit<OnePasswordUser, "isOwner" | "isEam">> {
  readonly email: string;
  readonly owner?: boolean;
  readonly eam?: boolean;
}

export type Layout = "v1beta1" | "v1";
export type Scope = "list" | "get" | "suspend" | "reactivate";

/** How the account and its OAuth application are set up; may be changed at any time. */
export class OnePasswordSettings {
  /** Path layouts that are served; the others are 404. */
  layouts: readonly Layout[] = ["v1beta1"];
  /** Permissions of the application. */
  scopes: readonly Scope[] = ["list", "get", "suspend", "reactivate"];
  /** True if a `User-Agent` other than `Name/version` is refused. */
  strictUserAgent = true;
  tokenLifetimeSeconds = 900;
}

/** An emulated 1Password account. */
export class OnePasswordState {
  readonly accountId: string;
  readonly settings: OnePasswordSettings;
  readonly users = new Map<string, OnePasswordUser>();
  readonly #clock: () => number;
  readonly #random: () => number;
  /** Ids in list order. The id of a removed user stays, so that page tokens stay valid. */
  readonly #order: string[] = [];

  constructor(options: {
    readonly accountId: string;
    readonly clock: () => number;
    readonly random: () => number;
    readonly settings: Partial<OnePasswordSettings>;
  }) {
    this.accountId = options.accountId;
    this.#clock = options.clock;
    this.#random = options.random;
    this.settings = Object.assign(new OnePasswordSettings(), options.settings);
  }

  get isEmpty(): boolean {
    return this.users.size === 0;
  }

  /** Adds a user, by default ACTIVE. */
  addUser({ owner = false, eam = false, ...given }: NewOnePasswordUser): OnePasswordUser {
    const user: OnePasswordUser = {
      id: given.id ?? this.#newId(),
      displayName: "",
      state: "ACTIVE",
      createTime: new Date(this.#clock()).toISOString(),
      isOwner: owner,
      isEam: eam,
      ...given,
    };
    this.load({ users: [user] });
    return user;
  }

  /** The user with this address in any letter case. */
  userByEmail(email: string): OnePasswordUser | undefined {
    const wanted = email.toLowerCase();
    return this.users.values().find((user) => user.email.toLowerCase() === wanted);
  }

  /** State of the user with this address; undefined when there is none. */
  stateOf(email: string): OnePasswordUserState | undefined {
    return this.userByEmail(email)?.state;
  }

  /** Sorted addresses of the users in a state. */
  emailsIn(state: OnePasswordUserState): readonly string[] {
    return [...this.users.values()]
      .filter((user) => user.state === state)
      .map((user) => user.email)
      .sort();
  }

  updateUser(id: string, patch: Partial<OnePasswordUser>): OnePasswordUser {
    const before = this.users.get(id);
    if (before === undefined) throw new Error(`no user ${id}`);
    const after = { ...before, ...patch, id };
    this.users.set(id, after);
    return after;
  }

  /** Deletes a user, as a person does in the console. The API cannot. */
  removeUser(email: string): void {
    const user = this.userByEmail(email);
    if (user === undefined) throw new Error(`no user has the address ${email}`);
    this.users.delete(user.id);
  }

  isLastActiveOwner(user: OnePasswordUser): boolean {
    const active = [...this.users.values()].filter(({ isOwner, state }) => isOwner && state === "ACTIVE");
    return active.length === 1 && active[0]?.id === user.id;
  }

  /** Returns up to `size` users from a position of the list. `next` is where the next page begins, if there is one. */
  page(from: number, size: number, state: OnePasswordUserState | undefined) {
    const users: OnePasswordUser[] = [];
    for (const [position, id] of this.#order.entries()) {
      const user = this.users.get(id);
      if (position < from || user === undefined || (state !== undefined && user.state !== state)) continue;
      if (users.length === size) return { users, next: position };
      users.push(user);
    }
    return { users, next: undefined };
  }

  snapshot(): { readonly users: readonly OnePasswordUser[] } {
    return { users: this.page(0, Number.POSITIVE_INFINITY, undefined).users };
  }

  load(snapshot: { readonly users: readonly OnePasswordUser[] }): void {
    for (const user of snapshot.users) {
      this.#order.push(user.id);
      this.users.set(user.id, user);
    }
  }

  #newId(): string {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    return Array.from({ length: 26 }, () => alphabet[Math.floor(this.#random() * alphabet.length)] ?? "A").join("");
  }
}
