import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";
import type { RequestHandler } from "express";

/** The files that pages load. Nothing comes from another server. */
const files = {
  "console.css": { from: "./assets/console.css", type: "text/css; charset=utf-8" },
  "htmx.js": { from: "htmx.org/dist/htmx.min.js", type: "text/javascript; charset=utf-8" },
  "console.js": { from: "./assets/console.js", type: "text/javascript; charset=utf-8" },
  "favicon.svg": { from: "./assets/favicon.svg", type: "image/svg+xml" },
} as const;

export type AssetName = keyof typeof files;

export interface Assets {
  /** Returns the path of a file. The path changes with the content, so browsers may cache it forever. */
  url(name: AssetName): string;
  /** Answers these paths. Mounted at `/assets`. */
  readonly serve: RequestHandler;
}

/** Reads all files once, at start. Serving a page opens no file. */
export function loadAssets(): Assets {
  const require = createRequire(import.meta.url);
  const loaded = Object.entries(files).map(([name, { from, type }]) => {
    const body = readFileSync(from.startsWith("./") ? new URL(from, import.meta.url) : require.resolve(from));
    return { name, type, body, zipped: gzipSync(body, { level: 9 }) };
  });
  const hash = createHash("sha256");
  for (const { name, body } of loaded) hash.update(name).update(body);
  const version = hash.digest("hex").slice(0, 12);
  const byPath = new Map(loaded.map((file) => [`/${version}/${file.name}`, file]));
  return {
    url: (name) => `/assets/${version}/${name}`,
    serve: (request, response, next) => {
      const file = byPath.get(request.path);
      if (file === undefined || request.method !== "GET") return next();
      const isZipped = request.acceptsEncodings("gzip") === "gzip";
      response.set({
        "Content-Type": file.type,
        "Cache-Control": "public, max-age=31536000, immutable",
        Vary: "Accept-Encoding",
        ...(isZipped && { "Content-Encoding": "gzip" }),
      });
      response.end(isZipped ? file.zipped : file.body);
    },
  };
}
