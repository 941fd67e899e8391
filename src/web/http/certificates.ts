import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { messageOf, RollcallError } from "../../domain/model/errors.ts";

/** The PEM files of a TLS listener, with absolute paths; see `server.tls` of the configuration. */
export interface CertificateFiles {
  /** The certificate, followed by the intermediate certificates. */
  readonly certFile: string;
  readonly keyFile: string;
  /** The authority of client certificates; null: clients need none. */
  readonly clientCaFile: string | null;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
}

/** The validated content of the files. */
export interface Certificates {
  readonly context: SecureContextOptions;
  /** Names in the first certificate, for messages. */
  readonly subject: string;
  readonly validFromMs: number;
  readonly validToMs: number;
  /** Changes when a file changes. */
  readonly digest: string;
}

const maxFileBytes = 1024 * 1024;
const dayMs = 86_400_000;
/** Expiry causes a warning this long before, so that somebody can renew by hand. */
const warnBeforeMs = 14 * dayMs;

/**
 * Reads and validates the files.
 * @param name beginning of messages, e.g. `server.tls`
 * @throws `CONFIG_INVALID` if a file cannot be read or is invalid, or if the key does not belong to the certificate
 */
export function readCertificates(name: string, files: CertificateFiles): Certificates {
  const cert = readPem(name, "certFile", files.certFile);
  const key = readPem(name, "keyFile", files.keyFile);
  const ca = files.clientCaFile === null ? undefined : readPem(name, "clientCaFile", files.clientCaFile);
  const certificate = attempt(
    `${name}.certFile: ${files.certFile} is not a PEM certificate`,
    () => new X509Certificate(cert),
  );
  const privateKey = attempt(`${name}.keyFile: ${files.keyFile} is not a PEM private key without a passphrase`, () =>
    createPrivateKey(key),
  );
  if (!certificate.checkPrivateKey(privateKey))
    throw new RollcallError("CONFIG_INVALID", `${name}.keyFile: ${files.keyFile} is not the key of ${files.certFile}`);
  if (ca !== undefined)
    attempt(`${name}.clientCaFile: ${files.clientCaFile} is not a PEM certificate`, () => new X509Certificate(ca));
  const context = { cert, key, minVersion: files.minVersion, ...(ca === undefined ? {} : { ca }) };
  attempt(`${name}: ${files.certFile} and its chain cannot be used`, () => createSecureContext(context));
  return {
    context,
    subject: (certificate.subjectAltName ?? certificate.subject).replaceAll("\n", ", "),
    validFromMs: certificate.validFromDate.getTime(),
    validToMs: certificate.validToDate.getTime(),
    digest: createHash("sha256")
      .update(cert)
      .update("\0")
      .update(key)
      .update("\0")
      .update(ca ?? "")
      .digest("hex"),
  };
}

function readPem(name: string, key: string, path: string): string {
  return attempt(`${name}.${key}: cannot read ${path}`, () => {
    if (statSync(path).size > maxFileBytes) throw new Error(`it is larger than ${maxFileBytes} bytes`);
    return readFileSync(path, "utf8");
  });
}

/** Keeps the error of OpenSSL as the cause. It describes the form of the file, never its content. */
function attempt<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new RollcallError("CONFIG_INVALID", what, { cause });
  }
}

/** Describes whether a certificate is valid, and for how long. */
export function describeValidity(
  { subject, validFromMs, validToMs }: Certificates,
  nowMs: number,
): { readonly level: "ok" | "warning" | "error"; readonly message: string } {
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
  const days = Math.floor((validToMs - nowMs) / dayMs);
  const whose = `the certificate for ${subject}`;
  if (nowMs >= validToMs) return { level: "error", message: `${whose} expired on ${day(validToMs)}: renew it` };
  if (nowMs < validFromMs)
    return { level: "error", message: `${whose} is not valid before ${day(validFromMs)}: is the clock right?` };
  const until = `${whose} is valid until ${day(validToMs)}, ${days} ${days === 1 ? "day" : "days"} from now`;
  if (validToMs - nowMs < warnBeforeMs) return { level: "warning", message: `${until}: renew it` };
  return { level: "ok", message: until };
}

export interface WatchParts {
  /** Beginning of messages, e.g. `server.tls`. */
  readonly name: string;
  readonly files: CertificateFiles;
  /** The certificates in use. */
  readonly inUse: Certificates;
  /** Uses new certificates for new connections. */
  readonly use: (certificates: Certificates) => void;
  readonly now: () => number;
  readonly log: (level: "info" | "warn" | "error", message: string) => void;
  /** Time between two reads of the files. Default 10 s. */
  readonly everyMs?: number;
}

export interface CertificateWatch {
  /** Reads the files immediately, as after SIGHUP. */
  look(): void;
  close(): void;
}

const readEveryMs = 10_000;

/**
 * Uses changed files without a restart. Reads them periodically, because file notifications are not reliable for symbolic
 * links that are replaced (Kubernetes secrets, certbot). If the files are invalid, logs that once and keeps the certificate
 * in use. That happens for a moment while certificate and key are replaced. Logs expiry once a day.
 */
export function watchCertificates({
  name,
  files,
  inUse,
  use,
  now,
  log,
  everyMs = readEveryMs,
}: WatchParts): CertificateWatch {
  let current = inUse;
  let failure = "";
  let loggedDay = -1;
  const logValidity = (): void => {
    const day = Math.floor(now() / dayMs);
    const { level, message } = describeValidity(current, now());
    if (level === "ok" || day === loggedDay) return;
    loggedDay = day;
    log(level === "error" ? "error" : "warn", `${name}: ${message}`);
  };
  const look = (): void => {
    try {
      const read = readCertificates(name, files);
      failure = "";
      if (read.digest !== current.digest) {
        use(read);
        current = read;
        loggedDay = -1;
        log("info", `${name}: new files are in use; ${describeValidity(read, now()).message}`);
      }
    } catch (error) {
      const message = `${messageOf(error)}; the certificate in use stays`;
      if (message !== failure) log("error", message);
      failure = message;
    }
    logValidity();
  };
  logValidity();
  const timer = setInterval(look, everyMs);
  timer.unref();
  return { look, close: () => clearInterval(timer) };
}
