import { Random } from "../random.ts";

/** A person at the identity provider. `key` never changes: a rehired person has the same key and another SCIM id. */
export interface Person {
  readonly key: string;
  readonly email: string;
  readonly name: string;
  readonly isActive: boolean;
}

export interface Team {
  readonly key: string;
  readonly name: string;
  readonly members: ReadonlySet<string>;
}

/** The users and groups that both the identity provider and Rollcall should have. */
export interface Directory {
  readonly people: ReadonlyMap<string, Person>;
  readonly teams: ReadonlyMap<string, Team>;
}

/** One SCIM write. */
export type Write =
  | { readonly op: "hire"; readonly person: string; readonly email: string; readonly name: string }
  | { readonly op: "deactivate" | "reactivate" | "delete"; readonly person: string }
  | { readonly op: "rename"; readonly person: string; readonly name: string; readonly email: string }
  | { readonly op: "createTeam"; readonly team: string; readonly name: string; readonly members: readonly string[] }
  | { readonly op: "join" | "leave"; readonly team: string; readonly members: readonly string[] }
  | { readonly op: "renameTeam"; readonly team: string; readonly name: string }
  | { readonly op: "deleteTeam"; readonly team: string };

/** One write, several writes at once (of different entities), or a pause until all is delivered. */
export type Step =
  | { readonly kind: "write"; readonly write: Write }
  | { readonly kind: "burst"; readonly writes: readonly Write[] }
  | { readonly kind: "calm" };

export interface Day {
  readonly steps: readonly Step[];
  readonly writes: number;
  /** The directory after all steps. */
  readonly finalDirectory: Directory;
  /** Addresses that have a 1Password user from the start: its API cannot invite. */
  readonly onePasswordUsers: readonly string[];
}

export interface DayOptions {
  readonly seed: number;
  /** Minimum number of writes. */
  readonly writes: number;
  /** People at the end of the first morning. Default 40. */
  readonly staff?: number;
  /** False: no team is deleted, because deleting a team of ten counts as ten removals. Default true. */
  readonly deletesTeams?: boolean;
}

/** Returns the directory after a write. */
export function after({ people, teams }: Directory, write: Write): Directory {
  const withPerson = (key: string, change: (person: Person) => Person): Directory => {
    const person = people.get(key);
    return person === undefined ? { people, teams } : { people: new Map(people).set(key, change(person)), teams };
  };
  const withTeam = (key: string, change: (team: Team) => Team): Directory => {
    const team = teams.get(key);
    return team === undefined ? { people, teams } : { people, teams: new Map(teams).set(key, change(team)) };
  };
  switch (write.op) {
    case "hire": {
      const { person: key, email, name } = write;
      return { people: new Map(people).set(key, { key, email, name, isActive: true }), teams };
    }
    case "deactivate":
    case "reactivate":
      return withPerson(write.person, (person) => ({ ...person, isActive: write.op === "reactivate" }));
    case "rename":
      return withPerson(write.person, (person) => ({ ...person, name: write.name, email: write.email }));
    case "delete": {
      const left = new Map(people);
      left.delete(write.person);
      const without = [...teams].map(([key, team]) => {
        const members = new Set(team.members);
        members.delete(write.person);
        return [key, { ...team, members }] as const;
      });
      return { people: left, teams: new Map(without) };
    }
    case "createTeam":
      return {
        people,
        teams: new Map(teams).set(write.team, { key: write.team, name: write.name, members: new Set(write.members) }),
      };
    case "join":
      return withTeam(write.team, (team) => ({ ...team, members: team.members.union(new Set(write.members)) }));
    case "leave":
      return withTeam(write.team, (team) => ({ ...team, members: team.members.difference(new Set(write.members)) }));
    case "renameTeam":
      return withTeam(write.team, (team) => ({ ...team, name: write.name }));
    case "deleteTeam": {
      const left = new Map(teams);
      left.delete(write.team);
      return { people, teams: left };
    }
    default:
      return write satisfies never;
  }
}

/** Returns the subjects of a write: `person:<key>` and `team:<key>`. */
export function subjects(write: Write): readonly string[] {
  if ("person" in write) return [`person:${write.person}`];
  const members = "members" in write ? write.members : [];
  return [`team:${write.team}`, ...members.map((key) => `person:${key}`)];
}

/**
 * Makes a day from a seed. First the company is hired, with one burst that is large enough for Bitwarden's import. Then
 * people join, leave, are renamed and come back, with bursts and three calm moments.
 *
 * The final state of the vendors must not depend on Rollcall's timing. Otherwise a run with kills could not be compared
 * with one without. Timing would matter if an address changed, or a person was deleted, before Rollcall had read
 * 1Password, which knows people only by address. So both happen only to people from before the last calm moment.
 */
export function makeDay({ seed, writes: atLeast, staff = 40, deletesTeams = true }: DayOptions): Day {
  const script = new Script(new Random(seed), deletesTeams ? 3 : Number.POSITIVE_INFINITY);
  script.burst(Array.from({ length: Math.floor(staff * 0.7) }, () => script.hiring()));
  for (let count = 0; count < 5; count += 1) script.write(script.founding());
  while (script.directory.people.size < staff) script.write(script.hiring());
  script.calm();
  const calmEvery = Math.ceil((atLeast - script.writes) / 3);
  let calmAt = script.writes + calmEvery;
  while (script.writes < atLeast) {
    if (script.random.chance(0.04)) script.burst(script.commotion());
    else script.write(script.anything());
    if (script.writes < calmAt) continue;
    script.calm();
    calmAt += calmEvery;
  }
  script.calm();
  return {
    steps: script.steps,
    writes: script.writes,
    finalDirectory: script.directory,
    onePasswordUsers: script.onePasswordUsers,
  };
}

class Script {
  readonly random: Random;
  readonly steps: Step[] = [];
  readonly onePasswordUsers: string[] = [];
  directory: Directory = { people: new Map(), teams: new Map() };
  writes = 0;
  #serial = 0;
  /** People who have not changed since the last calm moment. */
  #known = new Set<string>();
  readonly #withOnePassword = new Set<string>();
  readonly #gone: { readonly key: string; readonly email: string; readonly name: string }[] = [];

  /** Minimum number of teams that stay. */
  readonly #teamsKept: number;

  constructor(random: Random, teamsKept: number) {
    this.random = random;
    this.#teamsKept = teamsKept;
  }

  write(write: Write | null): void {
    if (write === null) return;
    this.#apply(write);
    this.steps.push({ kind: "write", write });
  }

  burst(writes: readonly Write[]): void {
    const touched = new Set<string>();
    const apart = writes.filter((write) => {
      const mine = subjects(write);
      const isFree = mine.every((subject) => !touched.has(subject));
      for (const subject of mine) touched.add(subject);
      return isFree;
    });
    for (const write of apart) this.#apply(write);
    if (apart.length > 0) this.steps.push({ kind: "burst", writes: apart });
  }

  calm(): void {
    this.steps.push({ kind: "calm" });
    this.#known = new Set(this.directory.people.keys());
  }

  #next(): number {
    this.#serial += 1;
    return this.#serial;
  }

  hiring(): Write {
    this.#serial += 1;
    const key = `p${this.#serial}`;
    const email = `${key}@example.com`;
    if (this.random.chance(0.75)) {
      this.onePasswordUsers.push(email);
      this.#withOnePassword.add(key);
    }
    return { op: "hire", person: key, email, name: `Person ${this.#serial}` };
  }

  founding(): Write {
    this.#serial += 1;
    const members = this.random.some([...this.directory.people.keys()], 2 + this.random.below(8));
    return { op: "createTeam", team: `t${this.#serial}`, name: `team-${this.#serial}`, members };
  }

  commotion(): readonly Write[] {
    return Array.from({ length: 3 + this.random.below(8) }, () => this.anything()).filter((write) => write !== null);
  }

  anything(): Write | null {
    const dice = this.random.next();
    if (dice < 0.16) return this.hiring();
    if (dice < 0.3)
      return this.#onPerson(
        (person) => person.isActive,
        (person) => ({ op: "deactivate", person: person.key }),
      );
    if (dice < 0.42)
      return this.#onPerson(
        (person) => !person.isActive,
        (person) => ({ op: "reactivate", person: person.key }),
      );
    if (dice < 0.48) return this.#deletion();
    if (dice < 0.53) return this.#rehiring();
    if (dice < 0.62) return this.#renaming();
    if (dice < 0.67) return this.directory.teams.size < 9 ? this.founding() : null;
    if (dice < 0.8) return this.#onTeam((team) => this.#joining(team));
    if (dice < 0.91) return this.#onTeam((team) => this.#leaving(team));
    if (dice < 0.97)
      return this.#onTeam((team) => ({ op: "renameTeam", team: team.key, name: `team-${this.#next()}` }));
    return this.directory.teams.size > this.#teamsKept
      ? this.#onTeam((team) => ({ op: "deleteTeam", team: team.key }))
      : null;
  }

  #onPerson(isFit: (person: Person) => boolean, then: (person: Person) => Write): Write | null {
    const person = this.random.pick([...this.directory.people.values()].filter(isFit));
    return person === undefined ? null : then(person);
  }

  #onTeam(then: (team: Team) => Write | null): Write | null {
    const team = this.random.pick([...this.directory.teams.values()]);
    return team === undefined ? null : then(team);
  }

  #joining(team: Team): Write | null {
    const outside = [...this.directory.people.keys()].filter((key) => !team.members.has(key));
    const members = this.random.some(outside, 1 + this.random.below(4));
    return members.length === 0 ? null : { op: "join", team: team.key, members };
  }

  #leaving(team: Team): Write | null {
    const members = this.random.some([...team.members], 1 + this.random.below(2));
    return members.length === 0 ? null : { op: "leave", team: team.key, members };
  }

  #deletion(): Write | null {
    const isFit = ({ key }: Person): boolean => this.#known.has(key) || !this.#withOnePassword.has(key);
    return this.#onPerson(isFit, (person) => ({ op: "delete", person: person.key }));
  }

  /** People with a 1Password user are not rehired: `reactivate: own` does not cover a new entry. */
  #rehiring(): Write | null {
    const fit = this.#gone.filter(({ key }) => !this.#withOnePassword.has(key));
    const gone = this.random.pick(fit);
    if (gone === undefined) return null;
    this.#gone.splice(this.#gone.indexOf(gone), 1);
    return { op: "hire", person: gone.key, email: gone.email, name: gone.name };
  }

  #renaming(): Write | null {
    const mayChangeAddress = this.random.chance(0.5);
    const isFit = ({ key }: Person): boolean => !mayChangeAddress || this.#known.has(key);
    return this.#onPerson(isFit, (person) => {
      this.#serial += 1;
      const email = mayChangeAddress ? `new${this.#serial}-${person.key}@example.com` : person.email;
      // At least one word stays: a completely different name would be taken for another person.
      const [first, second] = person.name.split(" ");
      return { op: "rename", person: person.key, name: `${first} ${second} Renamed${this.#serial}`, email };
    });
  }

  #apply(write: Write): void {
    this.writes += 1;
    if (write.op === "delete") {
      const person = this.directory.people.get(write.person);
      // People whose address changed are not rehired: the target would know two addresses of theirs.
      if (person?.email === `${write.person}@example.com`) this.#gone.push(person);
    }
    if ("person" in write) this.#known.delete(write.person);
    this.directory = after(this.directory, write);
  }
}
