const none: ReadonlySet<string> = new Set();

/** A many-to-many relation, readable from both sides. The cost of a change is the number of pairs that change. */
export class Relation {
  readonly #rights = new Map<string, Set<string>>();
  readonly #lefts = new Map<string, Set<string>>();

  rightsOf(left: string): ReadonlySet<string> {
    return this.#rights.get(left) ?? none;
  }

  leftsOf(right: string): ReadonlySet<string> {
    return this.#lefts.get(right) ?? none;
  }

  setRights(left: string, wanted: ReadonlySet<string>): void {
    replace(this.#rights, this.#lefts, left, wanted);
  }

  setLefts(right: string, wanted: ReadonlySet<string>): void {
    replace(this.#lefts, this.#rights, right, wanted);
  }

  dropLeft(left: string): void {
    this.setRights(left, none);
  }

  dropRight(right: string): void {
    this.setLefts(right, none);
  }

  /** Left keys with their right keys. */
  entries(): [string, string[]][] {
    return [...this.#rights].map(([left, rights]) => [left, [...rights]]);
  }
}

function replace(
  near: Map<string, Set<string>>,
  far: Map<string, Set<string>>,
  key: string,
  wanted: ReadonlySet<string>,
): void {
  for (const other of near.get(key) ?? none) {
    if (!wanted.has(other)) remove(far, other, key);
  }
  for (const other of wanted) {
    const back = far.get(other);
    if (back === undefined) far.set(other, new Set([key]));
    else back.add(key);
  }
  if (wanted.size === 0) near.delete(key);
  else near.set(key, new Set(wanted));
}

function remove(map: Map<string, Set<string>>, key: string, value: string): void {
  const values = map.get(key);
  values?.delete(value);
  if (values?.size === 0) map.delete(key);
}
