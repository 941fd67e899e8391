/** "12,345". */
export const figure = (number: number): string => number.toLocaleString("en-US");

/** "1 user", "2,301 users". */
export const count = (number: number, one: string, many = `${one}s`): string =>
  `${figure(number)} ${number === 1 ? one : many}`;

/** "1 person", "2,301 people". */
export const people = (number: number): string => count(number, "person", "people");

/** "ada, bob and 12 more". */
export const listNames = (names: readonly string[], maxShown = 6): string =>
  names.length > maxShown
    ? `${names.slice(0, maxShown).join(", ")} and ${figure(names.length - maxShown)} more`
    : names.join(", ");

/** A message as a sentence of its own: capital letter and full stop. */
export const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
