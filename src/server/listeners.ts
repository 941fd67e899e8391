import type { RequestListener } from "node:http";
import type { Config } from "../config/index.ts";
import { messageOf } from "../domain/model/errors.ts";
import type { CheckFinding } from "../domain/ports/target.ts";
import type { Logger } from "../telemetry/index.ts";
import { describeValidity, readCertificates, watchCertificates } from "../web/http/certificates.ts";
import { type Listener, type ListenerOptions, listen } from "../web/http/listener.ts";

/** A section of the configuration with a listener. */
type Section = Pick<Config["server"], "listen" | "tls">;

export interface ListenerParts {
  /** The section's name, for messages: `server`, `admin`. */
  readonly name: string;
  readonly section: Section;
  readonly app: RequestListener;
  readonly options?: Omit<ListenerOptions, "tls">;
  readonly logger: Logger;
  readonly now: () => number;
  /** Closes it. */
  readonly cleanup: AsyncDisposableStack;
}

/**
 * Opens the listener of a section. Certificates are read again when their files change, and after SIGHUP.
 * @throws `CONFIG_INVALID` if the address can't be used, or a certificate is not valid
 */
export async function openListener({
  name,
  section: { listen: address, tls },
  app,
  options,
  logger,
  now,
  cleanup,
}: ListenerParts): Promise<Listener> {
  if (tls === null) {
    const listener = await listen(address, app, options);
    cleanup.defer(() => listener.close(0));
    return listener;
  }
  const inUse = readCertificates(`${name}.tls`, tls);
  const listener = await listen(address, app, {
    ...options,
    tls: { context: inUse.context, clientCert: tls.clientCert },
  });
  cleanup.defer(() => listener.close(0));
  const watch = watchCertificates({
    name: `${name}.tls`,
    files: tls,
    inUse,
    use: ({ context }) => listener.useContext(context),
    now,
    log: (level, message) => logger[level](message),
  });
  process.on("SIGHUP", watch.look);
  cleanup.defer(() => {
    process.off("SIGHUP", watch.look);
    watch.close();
  });
  return listener;
}

/** Checks the certificates of the listeners, and how long they are valid. */
export function checkListeners({ server, admin }: Config, nowMs: number): readonly (CheckFinding & { name: string })[] {
  const sections: readonly (readonly [string, Section | null])[] = [
    ["server", server],
    ["admin", admin],
  ];
  return sections.flatMap(([name, section]) => {
    if (!section?.tls) return [];
    try {
      return [{ name, ...describeValidity(readCertificates(`${name}.tls`, section.tls), nowMs) }];
    } catch (error) {
      return [{ name, level: "error" as const, message: messageOf(error) }];
    }
  });
}
