import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connectionReason, guardedLookup, refuseHost } from "../net/addresses.ts";
import { type AlertChannel, footer, headline, type Letterhead, SendError, sender } from "./channel.ts";
import type { AlertMessage } from "./incidents.ts";

/** A mail server, sender and recipients. */
export interface EmailOptions extends Omit<AlertChannel, "type" | "send"> {
  readonly host: string;
  readonly port: number;
  /** `tls`: encrypted from the first byte. `starttls`: encrypted after the greeting; never sent without. */
  readonly security: "tls" | "starttls" | "none";
  /** PEM of a private certificate authority; null for the authorities of Node.js. */
  readonly ca: string | null;
  /** Null: no authentication. */
  readonly auth: { readonly user: string; readonly pass: string } | null;
  readonly from: string;
  readonly to: readonly string[];
}

const timeoutsMs = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 15_000 };

/** Sends messages by mail. */
export const emailChannel = (options: EmailOptions, letterhead: Letterhead): AlertChannel => {
  const { host, port, security, ca, auth, from, to, ...rules } = options;
  return {
    ...rules,
    type: "email",
    send: async (message, signal) => {
      // Loaded on first use, so that other commands start faster.
      const { createTransport } = await import("nodemailer");
      const connection = await connectTo(host, port, signal);
      const transport = createTransport({
        host,
        port,
        connection,
        secure: security === "tls",
        requireTLS: security === "starttls",
        ignoreTLS: security === "none",
        tls: { minVersion: "TLSv1.2", ...(ca !== null && { ca }) },
        ...(auth !== null && { auth: { ...auth } }),
        ...timeoutsMs,
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      try {
        const { response, rejected } = await transport.sendMail({ from, to: [...to], ...mailOf(message, letterhead) });
        const said = response.replace(/\s+/g, " ").slice(0, 100);
        return rejected.length === 0 ? said : `${said}; ${rejected.length} of ${to.length} recipients were refused`;
      } catch (error) {
        throw new SendError(`${host}:${port}: ${signal.aborted ? "no answer in time" : smtpReason(error)}`);
      } finally {
        transport.close();
        connection.destroy();
      }
    },
  };
};

/** Opens the connection with the guarded lookup. nodemailer would connect to any address that DNS returns. */
async function connectTo(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const refused = refuseHost(host);
  if (refused !== null) throw new SendError(refused.message);
  const socket = connect({ host, port, lookup: guardedLookup() });
  signal.addEventListener("abort", () => socket.destroy(new Error("aborted")), { once: true });
  const timer = setTimeout(() => socket.destroy(new Error("no connection in time")), timeoutsMs.connectionTimeout);
  try {
    await once(socket, "connect", { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw new SendError(`no connection to ${host}:${port} (${connectionReason(error, "no answer in time")})`);
  } finally {
    clearTimeout(timer);
  }
}

function mailOf(message: AlertMessage, letterhead: Letterhead) {
  const text = [headline(message), "", message.text, "", footer(message, letterhead), ""].join("\n");
  return {
    subject: `[${sender(letterhead)}] ${headline(message)}`,
    text,
    headers: {
      // Suppresses out-of-office answers (RFC 3834).
      "Auto-Submitted": "auto-generated",
      "X-Rollcall-Delivery": message.id,
    },
  };
}

/** Returns the server's code and answer. Neither contains the password. */
function smtpReason(error: unknown): string {
  if (!(error instanceof Error)) return "failed";
  const code = "code" in error && typeof error.code === "string" ? error.code : "failed";
  const response = "response" in error && typeof error.response === "string" ? error.response : "";
  const said = response === "" && /certificate|TLS|STARTTLS/i.test(error.message) ? error.message : response;
  return said === "" ? code : `${code}: ${said.replace(/\s+/g, " ").slice(0, 200)}`;
}
