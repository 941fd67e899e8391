import { createHmac, randomBytes } from "node:crypto";
import type { Request, Response } from "express";
import { z } from "zod";
import { deriveKey } from "../../crypto/aes-gcm.ts";
import { createSeal } from "../../crypto/seal.ts";
import { findByHash, hashToken } from "../../crypto/tokens.ts";

const hourMs = 3_600_000;
/** A session ends after this time without a request of a person. */
const idleMs = 12 * hourMs;
/** Maximum age of a session that began with a token. */
const tokenLifeMs = 7 * 24 * hourMs;
/** Maximum age of a session that began at the identity provider, which decides again every day. */
const oidcLifeMs = 24 * hourMs;
/** Minimum time between two updates of the cookie. */
const touchMs = 60_000;
/** Maximum signed-out sessions that are remembered. Each is remembered until it would have ended. */
const maxRevoked = 10_000;

const sessionShape = z.object({
  id: z.string(),
  role: z.enum(["viewer", "operator", "admin"]),
  name: z.string(),
  actor: z.string(),
  by: z.enum(["token", "oidc"]),
  beganAtMs: z.number(),
  seenAtMs: z.number(),
});

/** The session of a signed-in browser. */
export type Session = Readonly<z.output<typeof sessionShape>>;

export interface SessionsParts {
  /** All secrets of the section `admin`. When one changes, all sessions end. */
  readonly secrets: readonly string[];
  /** True if browsers use https. */
  readonly isSecure: boolean;
  readonly now: () => number;
}

/** Returns the value of a cookie; null for none. */
export function readCookie(request: Request, name: string): string | null {
  for (const part of (request.headers.cookie ?? "").split(";")) {
    const [key, ...value] = part.trim().split("=");
    if (key === name) return value.join("=");
  }
  return null;
}

/** Returns the cookie name. With the prefix `__Host-`, browsers bind the cookie to this host and to https. */
export const cookieName = (name: string, isSecure: boolean): string => (isSecure ? `__Host-${name}` : name);

export type Sessions = ReturnType<typeof createSessions>;

/** Sessions live in a sealed cookie: nothing is stored, and a restart signs nobody out. */
export function createSessions({ secrets, isSecure, now }: SessionsParts) {
  const { seal, open } = createSeal(secrets, "session cookie");
  const name = cookieName("rollcall", isSecure);
  const revoked = new Map<string, number>();
  const macKey = deriveKey(JSON.stringify(secrets), "csrf token");

  const lifeMs = (session: Session): number => (session.by === "oidc" ? oidcLifeMs : tokenLifeMs);
  // Lax, not Strict, so that a person who follows a link in an alert is still signed in. Writes need more (see `access.ts`).
  const attributes = { httpOnly: true, secure: isSecure, sameSite: "lax", path: "/" } as const;
  const write = (response: Response, session: Session): void =>
    void response.cookie(name, seal(session), { ...attributes, maxAge: idleMs });
  const isGood = (session: Session): boolean => {
    const atMs = now();
    return !revoked.has(session.id) && atMs - session.seenAtMs < idleMs && atMs - session.beganAtMs < lifeMs(session);
  };
  /** Returns the token for the forms of this session. Other sites can neither read nor guess it. */
  const csrfToken = (session: Session): string => createHmac("sha256", macKey).update(session.id).digest("base64url");

  return {
    begin(response: Response, who: Pick<Session, "role" | "name" | "actor" | "by">): Session {
      const session = { ...who, id: randomBytes(16).toString("base64url"), beganAtMs: now(), seenAtMs: now() };
      write(response, session);
      return session;
    },
    /** Returns the session of a request; null if there is none or it has ended. */
    find(request: Request): Session | null {
      const text = readCookie(request, name);
      const parsed = text === null ? null : sessionShape.safeParse(open(text));
      return parsed?.success && isGood(parsed.data) ? parsed.data : null;
    },
    /** Records that a person is active. */
    touch(response: Response, session: Session): void {
      if (now() - session.seenAtMs >= touchMs) write(response, { ...session, seenAtMs: now() });
    },
    /** Ends the session: clears the cookie and refuses copies of it. */
    end(response: Response, session: Session): void {
      // If there are too many, the oldest are removed first.
      for (const [id, untilMs] of revoked) if (untilMs <= now() || revoked.size >= maxRevoked) revoked.delete(id);
      revoked.set(session.id, session.beganAtMs + lifeMs(session));
      response.clearCookie(name, attributes);
    },
    isGood,
    csrfToken,
    isCsrfToken: (session: Session, presented: string): boolean =>
      findByHash([{ hash: Buffer.from(hashToken(csrfToken(session)), "hex") }], presented) !== null,
  };
}
