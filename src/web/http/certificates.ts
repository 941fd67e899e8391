import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { messageOf, RollcallError } from "../../domain/model/errors.ts";

/** The files that a TLS listener is made of: PEM, absolute paths; see `server.tls` of the configuration. */
export interface CertificateFiles {
  /** The certificate, and after it those between it and the authority's. */
  readonly certFile: string;
  readonly keyFile: string;
  /** Who signs the certificates of clients; null: none is asked for. */
  readonly clientCaFile: string | null;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
}

/** What the files hold, found to be fit for use. */
export interface Certificates {
  readonly context: SecureContextOptions;
  /** Names and validity of the first certificate, for people. */
  readonly subject: string;
  readonly validFromMs: number;
  readonly validToMs: number;
  /** Changes when a byte of any file does. */
  readonly digest: string;
}

const fileBytes = 1024 * 1024;
const dayMs = 86_400_000;
/** Time to renew by hand what does not renew itself. */
const warnBeforeMs = 14 * dayMs;

/**
 * Reads the files and tries them.
 * @param name how messages begin, e.g. `server.tls`
 * @throws `CONFIG_INVALID` for a file that can't be read, a certificate or key that is none, or two that do not belong together
 */
export function readCertificates(name: string, files: CertificateFiles): Certificates {
  const cert = readPem(name, "certFile", files.certFile);
  const key = readPem(name, "keyFile", files.keyFile);
  const ca = files.clientCaFile === null ? undefined : readPem(name, "clientCaFile", files.clientCaFile);
  const certificate = attempt(
    `${name}.certFile: ${files.certFile} is no PEM certificate`,
    () => new X509Certificate(cert),
  );
  const privateKey = attempt(`${name}.keyFile: ${files.keyFile} is no PEM private key without a passphrase`, () =>
    createPrivateKey(key),
  );
  if (!certificate.checkPrivateKey(privateKey))
    throw new RollcallError("CONFIG_INVALID", `${name}.keyFile: ${files.keyFile} is not the key of ${files.certFile}`);
  if (ca !== undefined)
    attempt(`${name}.clientCaFile: ${files.clientCaFile} is no PEM certificate`, () => new X509Certificate(ca));
  const context = { cert, key, minVersion: files.minVersion, ...(ca === undefined ? {} : { ca }) };
  attempt(`${name}: ${files.certFile} and what is with it cannot be used`, () => createSecureContext(context));
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
    if (statSync(path).size > fileBytes) throw new Error(`it is larger than ${fileBytes} bytes`);
    return readFileSync(path, "utf8");
  });
}

/** OpenSSL's own words are kept as the cause: they tell of the form, never of what is in the file. */
function attempt<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new RollcallError("CONFIG_INVALID", what, { cause });
  }
}

/** Whether a certificate is good now, and for how long, in words. */
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

/** What {@link watchCertificates} needs. */
export interface WatchParts {
  /** How messages begin, e.g. `server.tls`. */
  readonly name: string;
  readonly files: CertificateFiles;
  /** What is in use now. */
  readonly inUse: Certificates;
  /** Takes new ones into use, for connections from now on. */
  readonly use: (certificates: Certificates) => void;
  readonly now: () => number;
  readonly log: (level: "info" | "warn" | "error", message: string) => void;
  /** How often the files are looked at, in milliseconds. Default 10 s. */
  readonly everyMs?: number;
}

/** A watch over certificate files. */
export interface CertificateWatch {
  /** Looks at once, as after SIGHUP. */
  look(): void;
  close(): void;
}

const lookEveryMs = 10_000;

/**
 * Takes changed files into use without a restart. It reads them again and again, as no notice can be relied on where
 * files are links that are turned over (Kubernetes secrets, certbot). What can't be used is logged once, and what is in
 * use stays; half of a pair that is being replaced is such a case, and mends itself. Expiry is logged once a day.
 */
export function watchCertificates({
  name,
  files,
  inUse,
  use,
  now,
  log,
  everyMs = lookEveryMs,
}: WatchParts): CertificateWatch {
  let current = inUse;
  let failure = "";
  let toldDay = -1;
  const tellValidity = (): void => {
    const day = Math.floor(now() / dayMs);
    const { level, message } = describeValidity(current, now());
    if (level === "ok" || day === toldDay) return;
    toldDay = day;
    log(level === "error" ? "error" : "warn", `${name}: ${message}`);
  };
  const look = (): void => {
    try {
      const read = readCertificates(name, files);
      failure = "";
      if (read.digest !== current.digest) {
        use(read);
        current = read;
        toldDay = -1;
        log("info", `${name}: new files are in use; ${describeValidity(read, now()).message}`);
      }
    } catch (error) {
      const message = `${messageOf(error)}; the certificate that is in use stays`;
      if (message !== failure) log("error", message);
      failure = message;
    }
    tellValidity();
  };
  tellValidity();
  const timer = setInterval(look, everyMs);
  timer.unref();
  return { look, close: () => clearInterval(timer) };
}
