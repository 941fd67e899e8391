import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { TLSSocket } from "node:tls";
import { listen } from "../listen.ts";

/** A mail as it came. */
export interface Mail {
  readonly isEncrypted: boolean;
  /** What AUTH PLAIN gave, `\0user\0password`; null without. */
  readonly login: string | null;
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and body, dots unstuffed. */
  readonly data: string;
}

export interface SmtpOptions {
  /** Folder with server.key and server.pem; without, no TLS is offered. */
  readonly certificates?: string;
  /** TLS from the first byte. */
  readonly isTls?: boolean;
  /** Refuses what does not log in as this. */
  readonly login?: string;
  /** Recipients that are not taken. */
  readonly refuses?: RegExp;
}

/** A mail server on loopback: as much of RFC 5321, 3207 and 4954 as a mail needs. */
export interface SmtpServer extends AsyncDisposable {
  readonly port: number;
  readonly mails: readonly Mail[];
}

export async function startSmtp(options: SmtpOptions = {}): Promise<SmtpServer> {
  const mails: Mail[] = [];
  const sockets = new Set<Socket>();
  const tlsOf = (socket: Socket): TLSSocket => {
    const folder = options.certificates ?? "";
    const [key, cert] = ["server.key", "server.pem"].map((name) => readFileSync(join(folder, name)));
    return new TLSSocket(socket, { isServer: true, ...(key && { key }), ...(cert && { cert }) });
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    const secured = options.isTls === true ? tlsOf(socket) : socket;
    secured.on("error", () => undefined);
    converse(secured, options, tlsOf, mails, true);
  });
  const { port, close } = await listen(server);
  return {
    port,
    mails,
    [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      return close();
    },
  };
}

function converse(
  socket: Socket,
  { login: wanted, refuses, certificates }: SmtpOptions,
  tlsOf: (socket: Socket) => TLSSocket,
  mails: Mail[],
  isNew: boolean,
): void {
  const isEncrypted = socket instanceof TLSSocket;
  let [buffer, login, from] = ["", null as string | null, ""];
  let to: string[] = [];
  let isData = false;
  const say = (...lines: readonly string[]): void => void socket.write(`${lines.join("\r\n")}\r\n`);
  const upgrade = (): void => {
    say("220 go ahead");
    socket.removeAllListeners("data");
    const tls = tlsOf(socket);
    tls.on("error", () => undefined);
    converse(tls, { ...(wanted && { login: wanted }), ...(refuses && { refuses }) }, tlsOf, mails, false);
  };
  const answer = (line: string): string => {
    const [word, rest] = [line.slice(0, 4).toUpperCase(), line.slice(5)];
    const address = /<(.*?)>/.exec(rest)?.[1] ?? "";
    switch (word) {
      case "EHLO":
        return isEncrypted || certificates === undefined
          ? "250-test.example\r\n250-AUTH PLAIN\r\n250 8BITMIME"
          : "250-test.example\r\n250-STARTTLS\r\n250 8BITMIME";
      case "AUTH":
        login = Buffer.from(rest.replace(/^PLAIN /i, ""), "base64").toString();
        return wanted === undefined || login === wanted ? "235 welcome" : "535 5.7.8 who are you";
      case "MAIL":
        if (wanted !== undefined && login !== wanted) return "530 5.7.0 log in first";
        [from, to] = [address, []];
        return "250 ok";
      case "RCPT":
        if (refuses?.test(address) === true) return "550 5.1.1 no such mailbox";
        to.push(address);
        return "250 ok";
      case "DATA":
        isData = true;
        return "354 go on";
      case "STAR":
        return "502 5.5.1 not here";
      default:
        return "250 ok";
    }
  };
  const command = (line: string): void => {
    if (/^STARTTLS/i.test(line) && certificates !== undefined) upgrade();
    else if (/^QUIT/i.test(line)) socket.end("221 bye\r\n");
    else say(answer(line));
  };
  socket.setEncoding("utf8").on("data", (text: string) => {
    buffer += text;
    for (;;) {
      const end = buffer.indexOf(isData ? "\r\n.\r\n" : "\r\n");
      if (end === -1) return;
      const part = buffer.slice(0, end);
      buffer = buffer.slice(end + (isData ? 5 : 2));
      if (isData) {
        isData = false;
        mails.push({ isEncrypted, login, from, to, data: part.replace(/^\.\./gm, ".") });
        say("250 2.0.0 queued as 4711");
      } else command(part);
    }
  });
  if (isNew) say("220 test.example ESMTP");
}
