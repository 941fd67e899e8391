/** An entry as the server sent it. Attribute names are case-insensitive (RFC 4512 §2.5). */
export class LdapEntry {
  readonly dn: string;
  readonly #values: ReadonlyMap<string, readonly Buffer[]>;

  constructor(dn: string, values: ReadonlyMap<string, readonly Buffer[]>) {
    this.dn = dn;
    this.#values = values;
  }

  /** The raw values; empty if the entry lacks the attribute. */
  buffers(attribute: string): readonly Buffer[] {
    return this.#values.get(attribute.toLowerCase()) ?? [];
  }

  /** The values as text. */
  texts(attribute: string): readonly string[] {
    return this.buffers(attribute).map((value) => value.toString("utf8"));
  }

  /** The first value as trimmed text; null if it is missing or blank. */
  text(attribute: string): string | null {
    const value = this.buffers(attribute)[0]?.toString("utf8").trim();
    return value === undefined || value === "" ? null : value;
  }

  /** A range of a large attribute, such as `member;range=0-1499` (MS-ADTS 3.1.1.3.1.3.3); null if it is complete. */
  range(attribute: string): { readonly values: readonly string[]; readonly next: number | null } | null {
    const prefix = `${attribute.toLowerCase()};range=`;
    for (const [name, values] of this.#values) {
      if (!name.startsWith(prefix)) continue;
      const end = name.slice(name.lastIndexOf("-") + 1);
      return { values: values.map((value) => value.toString("utf8")), next: end === "*" ? null : Number(end) + 1 };
    }
    return null;
  }
}
