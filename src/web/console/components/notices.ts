import type { Request, Response } from "express";
import { z } from "zod";
import type { Seal } from "../../../crypto/seal.ts";
import { cookieName, readCookie } from "../../access/session.ts";
import type { Notice } from "./layout.ts";

const shape = z.object({ kind: z.enum(["good", "bad", "info"]), text: z.string().max(2000) });
const lifeMs = 60_000;

/** The result of an action, kept in a cookie until the next page shows it once. */
export interface Notices {
  leave(response: Response, notice: z.output<typeof shape>): void;
  take(request: Request, response: Response): Notice | null;
}

export function createNotices(seal: Seal, isSecure: boolean): Notices {
  const name = cookieName("rollcall-notice", isSecure);
  const attributes = { httpOnly: true, secure: isSecure, sameSite: "lax", path: "/" } as const;
  return {
    leave: (response, notice) => void response.cookie(name, seal.seal(notice), { ...attributes, maxAge: lifeMs }),
    take(request, response) {
      const text = readCookie(request, name);
      if (text === null) return null;
      response.clearCookie(name, attributes);
      return shape.safeParse(seal.open(text)).data ?? null;
    },
  };
}
