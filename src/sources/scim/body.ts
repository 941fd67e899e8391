import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Json, JsonObject } from "../../domain/model/entities.ts";
import { badRequest, ScimError } from "./errors.ts";
import { isObject } from "./json.ts";

/** Maximum depth of nested objects and lists. SCIM needs about 6. */
const maxJsonDepth = 32;

/**
 * Reads a JSON object of at most `limitBytes` (RFC 7644 §3.1, §8.1).
 * @throws ScimError 413, 415, or 400 invalidSyntax
 */
export async function readBody(request: IncomingMessage, limitBytes: number): Promise<JsonObject> {
  refuseMedia(request);
  if (Number(request.headers["content-length"] ?? 0) > limitBytes) throw tooLarge(request, limitBytes);
  return parseBody(await readBytes(request, limitBytes));
}

/** Maximum size of the body, by the headers of the request. A chunked body can reach the limit. */
export function expectedBytes({ headers }: IncomingMessage, limitBytes: number): number {
  if (headers["transfer-encoding"] !== undefined) return limitBytes;
  return Math.min(Number(headers["content-length"] ?? 0), limitBytes);
}

/** Checks type, charset and encoding before the body is read. Some identity providers send no Content-Type. */
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
  const charset = parameters.find((each) => each.startsWith("charset="))?.replace(/^charset="?([^"]*)"?$/, "$1");
  if (charset !== undefined && charset !== "utf-8" && charset !== "utf8" && charset !== "us-ascii") {
    throw new ScimError(415, null, "the charset must be utf-8");
  }
}

/** Discards the rest of the body, so that the client reads the answer and can use the connection again. */
function tooLarge(request: IncomingMessage, limitBytes: number): ScimError {
  request.removeAllListeners("data");
  request.resume();
  return new ScimError(413, null, `the body is larger than the limit of ${limitBytes} bytes`);
}

function readBytes(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    // The client may have gone during the authentication: then no event follows.
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
  if (text.trim() === "") throw badRequest("invalidSyntax", "a body is required");
  refuseDeep(text);
  const json = parseJson(text);
  if (!isObject(json)) throw badRequest("invalidSyntax", "the body must be a JSON object");
  return json;
}

/** JSON.parse makes `__proto__` a plain own key. No code of this folder assigns by a key of the client. */
function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw badRequest("invalidSyntax", "the body is not JSON");
  }
}

/** Counts brackets outside strings. Before JSON.parse: that takes 100 ms for half a million nested lists. */
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
      if (++depth > maxJsonDepth) throw badRequest("invalidSyntax", `the body has more than ${maxJsonDepth} levels`);
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
}
