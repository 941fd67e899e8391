import type { Random } from "../random.ts";
import type { Call, VendorAnswer } from "../reliability/vendors.ts";

/**
 * Changes an answer of a vendor so that it is not valid. Valid answers with false content are left out (two exchanged ids,
 * a person missing in the list and in the single read), because no client can detect them.
 */
export function corrupted(call: Call, answer: VendorAnswer, random: Random): VendorAnswer | null {
  const how = random.pick(corruptions);
  return how === undefined ? answer : how(answer, random, call);
}

type Corruption = (answer: VendorAnswer, random: Random, call: Call) => VendorAnswer | null;

const withText = (answer: VendorAnswer, text: string): VendorAnswer => ({ ...answer, body: Buffer.from(text) });

/** Values that no field expects. None of them is an id, an address or a state. */
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

/** Replacements for one value of a valid answer. Texts and null are left out: they would be valid ids or names. */
const ofAnotherType = strange.filter((value) => !value.startsWith('"') && value !== "null");

const corruptions: readonly Corruption[] = [
  // Statuses that contradict the body.
  (answer, random, { kind }) => {
    // A refusal of a change that was made is valid and false: it would undo the count of the removal.
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
  // Bodies that are not JSON, or incomplete.
  (answer, random) => ({ ...answer, body: answer.body.subarray(0, random.below(answer.body.length + 1)) }),
  (answer, random) => {
    const body = Buffer.from(answer.body);
    if (body.length === 0) return answer;
    // A byte that no text contains. A changed letter could be the id of another person.
    body[random.below(body.length)] = 0xff;
    return { ...answer, body };
  },
  (answer) => withText(answer, ""),
  (answer) => withText(answer, "<html><body>It works!</body></html>"),
  (answer) => withText(answer, `${answer.body.toString()}${answer.body.toString()}`),
  (answer) => withText(answer, `\ufeff)]}',\n${answer.body.toString()}`),
  (answer) => withText(answer, "[".repeat(50_000)),
  // An empty list of groups would be a valid answer.
  (answer, random) => withText(answer, random.pick(strange.filter((value) => value !== "[]")) ?? ""),
  // A value of an unexpected type.
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
  // Wrong headers.
  (answer) => ({ ...answer, headers: { ...answer.headers, "content-type": "text/html; charset=utf-16" } }),
  (answer) => ({ ...answer, headers: { ...answer.headers, "content-encoding": "gzip" } }),
  (answer) => ({
    ...answer,
    headers: { ...answer.headers, "content-length": String(answer.body.length + 10), connection: "close" },
  }),
  // 429 means that a write was not read, so it would be repeated. After a write that was made, that is valid and false.
  (answer, _random, { kind }) => ({
    ...answer,
    status: kind === "write" ? 502 : 429,
    headers: { "retry-after": "yesterday" },
  }),
  (answer) => ({ ...answer, status: 503, headers: { "retry-after": "-5" } }),
  () => null,
];
