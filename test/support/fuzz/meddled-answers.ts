import type { Random } from "../random.ts";
import type { Call, VendorAnswer } from "../reliability/vendors.ts";

/**
 * A vendor's answer as nobody expects it. What a sound answer could say is left out: a list that is well formed and lies
 * (two people's keys exchanged, somebody left out of both the list and the question for them) can't be told from the truth.
 */
export function meddled(call: Call, answer: VendorAnswer, random: Random): VendorAnswer | null {
  const how = random.pick(meddlings);
  return how === undefined ? answer : how(answer, random, call);
}

type Meddling = (answer: VendorAnswer, random: Random, call: Call) => VendorAnswer | null;

const withText = (answer: VendorAnswer, text: string): VendorAnswer => ({ ...answer, body: Buffer.from(text) });

/** Values of no type that is expected anywhere; none of them is anybody's id, address or state. */
const strange = [
  "null",
  "true",
  "[]",
  "{}",
  "-1e999",
  '""',
  '"\\ud800"',
  '{"__proto__":{"polluted":1}}',
  "[[[[]]]]",
  '"\\u0000"',
  `"${"x".repeat(100_000)}"`,
  "12345678901234567890123",
];

/** In place of one value of a sound answer: no text and no null, which would be a key or a name in good form. */
const ofAnotherType = strange.filter((value) => !value.startsWith('"') && value !== "null");

const meddlings: readonly Meddling[] = [
  // Statuses that say something else than the body.
  (answer, random, { kind }) => {
    // A no to what was done is a lie in good form: it gives back what the removal had cost.
    const refusals = kind === "write" ? [] : [400, 403, 409, 418, 451];
    return {
      ...answer,
      status: random.pick([201, 202, 204, 206, 299, 304, 500, 501, 503, 507, 599, ...refusals]) ?? 500,
    };
  },
  (answer, random) => ({
    ...answer,
    status: random.pick([301, 302, 307, 308]) ?? 302,
    headers: { location: "http://127.0.0.1:1/elsewhere" },
  }),
  // Bodies that are no JSON, or not all of it.
  (answer, random) => ({ ...answer, body: answer.body.subarray(0, random.below(answer.body.length + 1)) }),
  (answer, random) => {
    const body = Buffer.from(answer.body);
    if (body.length === 0) return answer;
    // A byte that no text holds: a changed letter might be somebody else's id.
    body[random.below(body.length)] = 0xff;
    return { ...answer, body };
  },
  (answer) => withText(answer, ""),
  (answer) => withText(answer, "<html><body>It works!</body></html>"),
  (answer) => withText(answer, `${answer.body.toString()}${answer.body.toString()}`),
  (answer) => withText(answer, `\ufeff)]}',\n${answer.body.toString()}`),
  (answer) => withText(answer, "[".repeat(50_000)),
  // An empty list of groups would be a sound answer.
  (answer, random) => withText(answer, random.pick(strange.filter((value) => value !== "[]")) ?? ""),
  // A value of a type that nobody expects, somewhere.
  (answer, random) => {
    const text = answer.body.toString();
    const values = [...text.matchAll(/(?<=[:[,])(?:"(?:[^"\\]|\\.)*"|-?\d+|true|false|null)(?=[,}\]])/g)];
    const value = random.pick(values);
    if (value === undefined) return answer;
    return withText(
      answer,
      text.slice(0, value.index) + (random.pick(ofAnotherType) ?? "0") + text.slice(value.index + value[0].length),
    );
  },
  (answer) => withText(answer, answer.body.toString().replace(/"(data|results)"/, '"elsewhere"')),
  (answer) =>
    withText(
      answer,
      answer.body.toString().replace("{", '{"__proto__":{"polluted":1},"constructor":{"prototype":{}},'),
    ),
  // Headers that lie.
  (answer) => ({ ...answer, headers: { ...answer.headers, "content-type": "text/html; charset=utf-16" } }),
  (answer) => ({ ...answer, headers: { ...answer.headers, "content-encoding": "gzip" } }),
  (answer) => ({
    ...answer,
    headers: { ...answer.headers, "content-length": String(answer.body.length + 10), connection: "close" },
  }),
  // A write that was done and is said to have been refused unread would be repeated: that, too, is a lie in good form.
  (answer, _random, { kind }) => ({
    ...answer,
    status: kind === "write" ? 502 : 429,
    headers: { "retry-after": "yesterday" },
  }),
  (answer) => ({ ...answer, status: 503, headers: { "retry-after": "-5" } }),
  () => null,
];
