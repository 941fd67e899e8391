import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Json, JsonObject } from "../../domain/model/entities.ts";
import { badRequest, ScimError } from "./errors.ts";
import { isObject } from "./json.ts";

/** Objects and lists within each other; SCIM needs about 6. */
const MAX_JSON_DEPTH = 32;

/**
 * Reads a JSON object of at most `limitBytes` (RFC 7644 §3.1, §8.1).
 * @throws ScimError 413, 415, or 400 invalidSyntax
 */
export async function readBody(request: IncomingMessage, limitBytes: number): Promise<JsonObject> {
  refuseMedia(request);
  if (Number(request.headers["content-length"] ?? 0) > limitBytes) throw tooLarge(request, limitBytes);
  return parseBody(await readBytes(request, limitBytes));
}

/** The most bytes that a request's body can have: none, what it says, or without saying the limit. */
export function expectedBytes({ headers }: IncomingMessage, limitBytes: number): number {
  if (headers["transfer-encoding"] !== undefined) return limitBytes;
  return Math.min(Number(headers["content-length"] ?? 0), limitBytes);
}

/** Charset, encoding and type before a byte is read; absent is fine (requirement 42). */
function refuseMedia(request: IncomingMessage): void {
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding.trim().toLowerCase() !== "identity")
    throw new ScimError(415, null, "Content-Encoding must be identity", { "Accept-Encoding": "identity" });
  const header = request.headers["content-type"];
  if (header === undefined || header === "application/scim+json" || header === "application/json") return;
  const [type = "", ...parameters] = header.split(";").map((each) => each.trim().toLowerCase());
  if (type !== "" && type !== "application/scim+json" && type !== "application/json" && type !== "*/*") {
    throw new ScimError(415, null, "Content-Type must be application/scim+json or application/json");
  }
  const charset = parameters
    .find((each) => each.startsWith("charset="))
    ?.slice(8)
    .replaceAll('"', "");
  if (charset !== undefined && charset !== "utf-8" && charset !== "utf8" && charset !== "us-ascii") {
    throw new ScimError(415, null, "the charset must be utf-8");
  }
}

/** What the client still sends is thrown away, so that it can read the answer and use its connection again. */
function tooLarge(request: IncomingMessage, limitBytes: number): ScimError {
  request.removeAllListeners("data");
  request.resume();
  return new ScimError(413, null, `the body is larger than ${limitBytes} bytes`);
}

function readBytes(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    // Gone while its token or version was looked up: no event would come any more.
    if (request.destroyed) reject(cutShort());
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limitBytes) reject(tooLarge(request, limitBytes));
      else chunks.push(chunk);
    });
    request.on("end", () =>
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)),
    );
    request.on("error", () => reject(cutShort()));
    request.on("close", () => {
      if (!request.complete) reject(cutShort());
    });
  });
}

const cutShort = (): ScimError => badRequest("invalidSyntax", "the body ended too early");

function parseBody(bytes: Buffer): JsonObject {
  if (!isUtf8(bytes)) throw badRequest("invalidSyntax", "the body is not UTF-8");
  const text = bytes.toString("utf8").replace(/^\uFEFF/, "");
  if (text.trim() === "") throw badRequest("invalidSyntax", "a body is needed");
  refuseDeep(text);
  const json = parseJson(text);
  if (!isObject(json)) throw badRequest("invalidSyntax", "the body must be a JSON object");
  return json;
}

/** JSON.parse makes `__proto__` a plain own key; nothing here or later assigns by a key of the client. */
function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw badRequest("invalidSyntax", "the body is not JSON");
  }
}

/** Counts brackets outside strings before anything recursive sees the text. */
function refuseDeep(text: string): void {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isInString) {
      if (code === 0x5c) at++;
      else if (code === 0x22) isInString = false;
    } else if (code === 0x22) isInString = true;
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_JSON_DEPTH)
        throw badRequest("invalidSyntax", `the body is nested deeper than ${MAX_JSON_DEPTH}`);
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
}
