import type { RequestListener } from "node:http";
import type { Config } from "../config/index.ts";
import { messageOf } from "../domain/model/errors.ts";
import type { CheckFinding } from "../domain/ports/target.ts";
import type { Logger } from "../telemetry/index.ts";
import { describeValidity, readCertificates, watchCertificates } from "../web/http/certificates.ts";
import { type Listener, type ListenerOptions, listen } from "../web/http/listener.ts";

/** A section of the configuration that has a listener. */
type Section = Pick<Config["server"], "listen" | "tls">;

/** What {@link openListener} needs. */
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
 * Listens as a section says; certificates are read again when their files change, and after SIGHUP.
 * @throws `CONFIG_INVALID` when it can't be listened on, or a certificate can't be used
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

/** Certificates of the listeners: can they be used, and for how long? */
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
