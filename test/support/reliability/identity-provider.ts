import { setTimeout as delay } from "node:timers/promises";
import { Agent, request } from "undici";
import { after, type Directory, type Person, type Step, subjects, type Team, type Write } from "./day.ts";

/** Gives the current URL of Rollcall. */
export interface Door {
  /** Waits until a process answers, and returns its SCIM URL. */
  open(): Promise<string>;
}

export interface IdpOptions {
  readonly door: Door;
  readonly token: string;
  /** Called when a request was sent, and when it was answered. */
  readonly onSent?: () => void;
  readonly onAnswered?: () => void;
}

interface Answer {
  readonly status: number;
  readonly retryAfterSeconds: number | null;
  readonly json: Loose;
}

/** Any JSON. */
interface Loose {
  readonly [key: string]: Loose;
  readonly [at: number]: Loose;
}

const user = "urn:ietf:params:scim:schemas:core:2.0:User";
const group = "urn:ietf:params:scim:schemas:core:2.0:Group";
const patchOp = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/**
 * An identity provider: one request per change, repeated after a 5xx or no answer. When a creation is refused because an
 * earlier try succeeded, it looks the entity up by name. It remembers all acknowledged writes.
 */
export class IdentityProvider {
  /** The directory after all writes that Rollcall answered with 2xx. */
  acknowledged: Directory = { people: new Map(), teams: new Map() };
  /** Writes that were sent and not answered: Rollcall may or may not have stored them. */
  readonly inDoubt = new Set<Write>();
  /** SCIM ids by key. `everId` has keys by id, also of deleted people and teams. */
  readonly idOf = new Map<string, string>();
  readonly everId = new Map<string, string>();
  /** Numbers of requests: sent, without an answer, and answered 503 or 429. */
  readonly seen = { sent: 0, unanswered: 0, unavailable: 0, withoutRetryAfter: 0 };
  readonly #options: IdpOptions;
  readonly #agent = new Agent({ connections: 64, pipelining: 1, keepAliveTimeout: 60_000 });

  constructor(options: IdpOptions) {
    this.#options = options;
  }

  /** Sends the writes of a step until each is acknowledged, all at once in a burst. Returns how many there were. */
  async replay(step: Step): Promise<number> {
    const writes = step.kind === "calm" ? [] : step.kind === "write" ? [step.write] : step.writes;
    await Promise.all(writes.map((write) => this.send(write)));
    return writes.length;
  }

  /** Sends a write until it is acknowledged. */
  async send(write: Write): Promise<void> {
    this.inDoubt.add(write);
    for (let attempt = 0; ; attempt += 1) {
      if (await this.#attempt(write)) break;
      if (attempt > 0) await delay(Math.min(20 * attempt, 200));
    }
    this.inDoubt.delete(write);
    this.acknowledged = after(this.acknowledged, write);
  }

  async #attempt(write: Write): Promise<boolean> {
    switch (write.op) {
      case "hire":
        return this.#create(write.person, "Users", "userName", write.email, {
          schemas: [user],
          userName: write.email,
          displayName: write.name,
          active: true,
          emails: [{ value: write.email, primary: true, type: "work" }],
        });
      case "createTeam": {
        const members = write.members.map((key) => ({ value: this.#id(key) }));
        return this.#create(write.team, "Groups", "displayName", write.name, {
          schemas: [group],
          displayName: write.name,
          members,
        });
      }
      case "deactivate":
      case "reactivate":
        return this.#patch("Users", write.person, [
          { op: "replace", path: "active", value: write.op === "reactivate" },
        ]);
      case "rename":
        return this.#patch("Users", write.person, [
          { op: "replace", path: "displayName", value: write.name },
          { op: "replace", path: "userName", value: write.email },
          { op: "replace", path: 'emails[type eq "work"].value', value: write.email },
        ]);
      case "renameTeam":
        return this.#patch("Groups", write.team, [{ op: "replace", path: "displayName", value: write.name }]);
      case "join":
      case "leave": {
        const value = write.members.map((key) => ({ value: this.#id(key) }));
        return this.#patch("Groups", write.team, [
          { op: write.op === "join" ? "add" : "remove", path: "members", value },
        ]);
      }
      case "delete":
        return this.#delete("Users", write.person);
      case "deleteTeam":
        return this.#delete("Groups", write.team);
      default:
        return write satisfies never;
    }
  }

  #id(key: string): string {
    const id = this.idOf.get(key);
    if (id === undefined) throw new Error(`no SCIM id of ${key}`);
    return id;
  }

  #learn(key: string, id: string): void {
    this.idOf.set(key, id);
    this.everId.set(id, key);
  }

  async #create(key: string, resource: string, attribute: string, name: string, body: object): Promise<boolean> {
    const answer = await this.#call("POST", `/${resource}`, body);
    if (answer === null) return false;
    if (answer.status === 201) {
      this.#learn(key, String(answer.json["id"]));
      return true;
    }
    if (answer.status !== 409) throw unexpected("POST", resource, answer);
    // An earlier try succeeded and its answer was lost.
    const filter = encodeURIComponent(`${attribute} eq "${name}"`);
    const found = await this.#call("GET", `/${resource}?filter=${filter}`, null);
    if (found === null) return false;
    if (found.status !== 200 || Number(found.json["totalResults"]) !== 1) throw unexpected("GET", resource, found);
    this.#learn(key, String(found.json["Resources"]?.[0]?.["id"]));
    return true;
  }

  async #patch(resource: string, key: string, operations: readonly object[]): Promise<boolean> {
    const body = { schemas: [patchOp], Operations: operations };
    const answer = await this.#call("PATCH", `/${resource}/${this.#id(key)}`, body);
    if (answer === null) return false;
    if (answer.status !== 200 && answer.status !== 204) throw unexpected("PATCH", resource, answer);
    return true;
  }

  async #delete(resource: string, key: string): Promise<boolean> {
    const answer = await this.#call("DELETE", `/${resource}/${this.#id(key)}`, null);
    if (answer === null) return false;
    if (answer.status !== 204 && answer.status !== 404) throw unexpected("DELETE", resource, answer);
    this.idOf.delete(key);
    return true;
  }

  /** Returns null for no answer, and for one that asks to try again. */
  async #call(
    method: "GET" | "POST" | "PATCH" | "DELETE",
    path: string,
    body: object | null,
    at?: string,
  ): Promise<Answer | null> {
    const base = at ?? (await this.#options.door.open());
    try {
      this.seen.sent += 1;
      this.#options.onSent?.();
      const response = await request(`${base}${path}`, {
        method,
        dispatcher: this.#agent,
        headers: { authorization: `Bearer ${this.#options.token}`, "content-type": "application/scim+json" },
        body: body === null ? null : JSON.stringify(body),
      });
      const text = await response.body.text();
      if (response.statusCode < 300) this.#options.onAnswered?.();
      if (response.statusCode === 503 || response.statusCode === 429) {
        this.seen.unavailable += 1;
        if (response.headers["retry-after"] === undefined) this.seen.withoutRetryAfter += 1;
        return null;
      }
      const json = (text === "" ? {} : JSON.parse(text)) as Loose;
      return { status: response.statusCode, retryAfterSeconds: Number(response.headers["retry-after"] ?? 0), json };
    } catch (error) {
      if (error instanceof SyntaxError) throw error;
      this.seen.unanswered += 1;
      return null;
    }
  }

  /**
   * Reads everything back and compares it with the acknowledged writes. Subjects of a write without an answer may have
   * either state. Nothing may be sent at the same time. Returns what is wrong, or null when no process answered.
   */
  async lostWrites(scimUrl: string): Promise<readonly string[] | null> {
    const users = await this.#list(scimUrl, "/Users?count=1000");
    const groups = await this.#list(scimUrl, "/Groups?count=1000");
    if (users === null || groups === null) return null;
    const doubtful = new Set([...this.inDoubt].flatMap(subjects));
    const wrong: string[] = [];
    const people = new Map(users.map((each) => [this.everId.get(String(each["id"])) ?? String(each["id"]), each]));
    for (const [key, person] of this.acknowledged.people) {
      if (!doubtful.has(`person:${key}`)) wrong.push(...comparePerson(key, person, people.get(key)));
    }
    for (const key of people.keys()) {
      const isKnown = this.acknowledged.people.has(key) || doubtful.has(`person:${key}`) || this.#isBeingCreated();
      if (!isKnown) wrong.push(`person ${key} is there and should not be`);
    }
    const teams = new Map(groups.map((each) => [this.everId.get(String(each["id"])) ?? String(each["id"]), each]));
    for (const [key, team] of this.acknowledged.teams) {
      if (!doubtful.has(`team:${key}`)) wrong.push(...this.#compareTeam(key, team, teams.get(key), doubtful));
    }
    for (const key of teams.keys()) {
      const isKnown = this.acknowledged.teams.has(key) || doubtful.has(`team:${key}`) || this.#isBeingCreated();
      if (!isKnown) wrong.push(`team ${key} is there and should not be`);
    }
    return wrong;
  }

  #isBeingCreated(): boolean {
    return [...this.inDoubt].some(({ op }) => op === "hire" || op === "createTeam");
  }

  #compareTeam(key: string, team: Team, found: Loose | undefined, doubtful: ReadonlySet<string>): readonly string[] {
    if (found === undefined) return [`team ${key} is lost`];
    const listed = (found["members"] ?? []) as unknown as readonly Loose[];
    const isCertain = (member: string): boolean => !doubtful.has(`person:${member}`);
    const members = new Set(listed.map((each) => this.everId.get(String(each["value"])) ?? "?").filter(isCertain));
    const wanted = new Set([...team.members].filter(isCertain));
    const wrong: string[] = [];
    if (String(found["displayName"]) !== team.name) wrong.push(`team ${key} has another name than ${team.name}`);
    if (members.symmetricDifference(wanted).size > 0) {
      wrong.push(`team ${key} has ${[...members].join(" ")} instead of ${[...wanted].join(" ")}`);
    }
    return wrong;
  }

  async #list(scimUrl: string, path: string): Promise<readonly Loose[] | null> {
    const answer = await this.#call("GET", path, null, scimUrl);
    if (answer === null) return null;
    if (answer.status !== 200) throw unexpected("GET", path, answer);
    return (answer.json["Resources"] ?? []) as unknown as readonly Loose[];
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

function comparePerson(key: string, person: Person, found: Loose | undefined): readonly string[] {
  if (found === undefined) return [`person ${key} is lost`];
  const wrong: string[] = [];
  if (Boolean(found["active"]) !== person.isActive) wrong.push(`person ${key}: active is not ${person.isActive}`);
  if (String(found["userName"]) !== person.email) wrong.push(`person ${key}: userName is not ${person.email}`);
  if (String(found["displayName"]) !== person.name) wrong.push(`person ${key}: displayName is not ${person.name}`);
  return wrong;
}

const unexpected = (method: string, path: string, answer: Answer): Error =>
  new Error(`${method} ${path} was answered ${answer.status}: ${JSON.stringify(answer.json)}`);
