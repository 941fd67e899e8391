import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Request, Response } from "express";
import { z } from "zod";
import { deriveKey } from "../../crypto/aes-gcm.ts";
import { createSeal } from "../../crypto/seal.ts";

const hourMs = 3_600_000;
/** Without a request of a person for this long, a session ends. */
const idleMs = 12 * hourMs;
/** However busy it is, a session that began with a token ends after this long. */
const tokenLifeMs = 7 * 24 * hourMs;
/** The identity provider says who may be here: it is asked again every day. */
const oidcLifeMs = 24 * hourMs;
/** How often use is noted: not every answer sets a cookie. */
const touchMs = 60_000;
/** Signed-out sessions are remembered until they would have ended; more than this many never are at a time. */
const revokedLimit = 10_000;

const sessionShape = z.object({
  id: z.string(),
  role: z.enum(["viewer", "operator", "admin"]),
  name: z.string(),
  actor: z.string(),
  by: z.enum(["token", "oidc"]),
  beganAtMs: z.number(),
  seenAtMs: z.number(),
});

/** Somebody's signed-in browser. */
export type Session = Readonly<z.output<typeof sessionShape>>;

export interface SessionsParts {
  /** Every secret of the admin section: when one changes, all sessions end. */
  readonly secrets: readonly string[];
  /** True where browsers come over https. */
  readonly isSecure: boolean;
  readonly now: () => number;
}

/** Sessions kept in a sealed cookie: nothing to store, and a restart signs nobody out. */
export interface Sessions {
  begin(response: Response, who: Pick<Session, "role" | "name" | "actor" | "by">): Session;
  /** The session that a request shows, when it is still good. */
  find(request: Request): Session | null;
  /** Notes that a person was here. */
  touch(response: Response, session: Session): void;
  /** Ends it: the cookie is taken back, and a copy of it is refused. */
  end(response: Response, session: Session): void;
  isGood(session: Session): boolean;
  /** What forms of this session carry: another site can neither read nor guess it. */
  csrfToken(session: Session): string;
  isCsrfToken(session: Session, presented: string): boolean;
}

/** The value of a cookie in a request; null when there is none. */
export function readCookie(request: Request, name: string): string | null {
  for (const part of (request.headers.cookie ?? "").split(";")) {
    const [key, ...value] = part.trim().split("=");
    if (key === name) return value.join("=");
  }
  return null;
}

/** `__Host-` binds a cookie to this very host and to https, which browsers then hold to. */
export const cookieName = (name: string, isSecure: boolean): string => (isSecure ? `__Host-${name}` : name);

export function createSessions({ secrets, isSecure, now }: SessionsParts): Sessions {
  const { seal, open } = createSeal(secrets, "session cookie");
  const name = cookieName("rollcall", isSecure);
  const revoked = new Map<string, number>();
  const macKey = deriveKey(JSON.stringify(secrets), "csrf token");

  const lifeMs = (session: Session): number => (session.by === "oidc" ? oidcLifeMs : tokenLifeMs);
  // Lax, not Strict: who follows a link from an alert is still signed in. Writes ask for more (see `access.ts`).
  const attributes = { httpOnly: true, secure: isSecure, sameSite: "lax", path: "/" } as const;
  const write = (response: Response, session: Session): void =>
    void response.cookie(name, seal(session), { ...attributes, maxAge: idleMs });
  const isGood = (session: Session): boolean => {
    const atMs = now();
    return !revoked.has(session.id) && atMs - session.seenAtMs < idleMs && atMs - session.beganAtMs < lifeMs(session);
  };
  const csrfToken = (session: Session): string => createHmac("sha256", macKey).update(session.id).digest("base64url");

  return {
    begin(response, who) {
      const session = { ...who, id: randomBytes(16).toString("base64url"), beganAtMs: now(), seenAtMs: now() };
      write(response, session);
      return session;
    },
    find(request) {
      const text = readCookie(request, name);
      const parsed = text === null ? null : sessionShape.safeParse(open(text));
      return parsed?.success && isGood(parsed.data) ? parsed.data : null;
    },
    touch(response, session) {
      if (now() - session.seenAtMs >= touchMs) write(response, { ...session, seenAtMs: now() });
    },
    end(response, session) {
      // The oldest go first where there are too many.
      for (const [id, untilMs] of revoked) if (untilMs <= now() || revoked.size >= revokedLimit) revoked.delete(id);
      revoked.set(session.id, session.beganAtMs + lifeMs(session));
      response.clearCookie(name, attributes);
    },
    isGood,
    csrfToken,
    isCsrfToken(session, presented) {
      const [ours, theirs] = [csrfToken(session), presented].map((text) => Buffer.from(text));
      return (
        ours !== undefined && theirs !== undefined && ours.length === theirs.length && timingSafeEqual(ours, theirs)
      );
    },
  };
}
