/** Markup that is safe to send: made by {@link html}, or declared so with {@link raw}. */
export class Markup {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** A value in a template. Markup stays, other text is escaped; null, undefined and booleans print nothing. */
export type HtmlValue = Markup | string | number | boolean | null | undefined | readonly HtmlValue[];

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for an element or a quoted attribute. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (found) => entities[found] ?? "");

function render(value: HtmlValue): string {
  if (value instanceof Markup) return value.toString();
  if (value === null || value === undefined || typeof value === "boolean") return "";
  if (typeof value === "object") return value.map(render).join("");
  return escapeHtml(String(value));
}

/**
 * A template whose values are escaped. Attributes must be quoted: `<a href="${url}">`. Never inside `<script>` or
 * `<style>`: the console has neither.
 */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Markup {
  let text = parts[0] ?? "";
  values.forEach((value, index) => {
    text += render(value) + (parts[index + 1] ?? "");
  });
  return new Markup(text);
}

/** Declares text to be markup. Only for constants of this program, never for anything that came from outside. */
export const raw = (text: string): Markup => new Markup(text);

/** ` name` or nothing, for attributes such as `checked`. */
export const flag = (name: "checked" | "selected" | "disabled" | "open" | "required", isOn: boolean): Markup | null =>
  isOn ? raw(` ${name}`) : null;
