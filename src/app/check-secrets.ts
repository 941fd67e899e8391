import { statSync } from "node:fs";
import { type Config, type ConfigFile, ldapSources, type Secret, scimSources } from "../config/index.ts";
import type { CheckFinding } from "../domain/ports/target.ts";

type Finding = CheckFinding & { readonly name: string };

const warning = (message: string): Finding => ({ name: "configuration", level: "warning", message });

/** Finds secrets that other users can read, and tokens that are easy to guess. Names keys and files, never a value. */
export function checkSecrets(file: ConfigFile, config: Config): readonly Finding[] {
  return [...checkConfigFile(file), ...checkSecretFiles(file, config), ...checkTokenSizes(config)];
}

/** The rights of users who are neither the owner nor in the group. */
const forEverybody = 0o007;

function checkConfigFile({ fileName, secretPlaces }: ConfigFile): readonly Finding[] {
  const inline = secretPlaces.filter(({ isInline }) => isInline).map(({ key }) => key);
  const stat = statOf(fileName);
  if (inline.length === 0 || stat === null || (stat.mode & forEverybody) === 0) return [];
  const more = inline.length > 3 ? ` and ${inline.length - 3} more` : "";
  return [
    warning(
      `${fileName} holds secrets (${inline.slice(0, 3).join(", ")}${more}), and every user of this machine has rights on it (mode ${modeOf(stat)}): run chmod 600 on this file, or write the secrets as file:PATH`,
    ),
  ];
}

function checkSecretFiles({ secretPlaces }: ConfigFile, config: Config): readonly Finding[] {
  const keyFiles = [
    { key: "server.tls.keyFile", file: config.server.tls?.keyFile },
    { key: "admin.tls.keyFile", file: config.admin?.tls?.keyFile },
    ...ldapSources(config).map(({ name, tls }) => ({ key: `sources.${name}.tls.keyFile`, file: tls?.keyFile })),
  ];
  return [...keyFiles, ...secretPlaces].flatMap(({ key, file }) => {
    const stat = file == null ? null : statOf(file);
    const readers = stat === null ? null : readersOf(stat);
    if (stat === null || readers === null) return [];
    return [
      warning(
        `${key}: ${readers} has rights on ${file} (mode ${modeOf(stat)}): chmod 600 it, or 440 if root owns it and the service is in its group`,
      ),
    ];
  });
}

/**
 * Returns who may read a file besides its owner; null if that is fine. Follows links: the secrets of a Kubernetes volume
 * are links to files. Root's file that only a group may read is fine: Kubernetes, systemd's credentials and
 * /etc/ssl/private give files to a service in this way.
 */
function readersOf({ mode, uid }: { readonly mode: number; readonly uid: number }): string | null {
  if ((mode & forEverybody) !== 0) return "every user of this machine";
  const byGroup = mode & 0o070;
  return byGroup === 0 || (uid === 0 && byGroup === 0o040) ? null : "its group";
}

/** Returns null on Windows, which has no modes, and for a file that can't be read: another check reports that. */
function statOf(path: string): { readonly mode: number; readonly uid: number } | null {
  if (process.platform === "win32") return null;
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

const modeOf = ({ mode }: { readonly mode: number }): string => (mode & 0o777).toString(8).padStart(4, "0");

/** A token with as many random bits is safe against guessing. */
const safeBits = 128;
/** A random token has more different characters. */
const minDifferentCharacters = 8;

function checkTokenSizes(config: Config): readonly Finding[] {
  const { admin } = config;
  const tokens: readonly (readonly [string, Secret | null | undefined])[] = [
    ["admin.token", admin?.token],
    ["admin.operatorToken", admin?.operatorToken],
    ["admin.viewerToken", admin?.viewerToken],
    ...scimSources(config).flatMap(({ name, tokens: own }) =>
      own.map((token, index) => [`sources.${name}.token${own.length > 1 ? `.${index}` : ""}`, token] as const),
    ),
  ];
  return tokens.flatMap(([key, token]) =>
    token == null || bitsAtMost(token.reveal()) >= safeBits
      ? []
      : [warning(`${key} is easy to guess: too short, or too simple; "openssl rand -hex 32" makes a good one`)],
  );
}

/** Maximum number of random bits that a text of this form can have. How it was made can't be seen. */
function bitsAtMost(text: string): number {
  if (new Set(text).size < minDifferentCharacters) return 0;
  const size = /^(?=.*\D)([0-9a-f]+|[0-9A-F]+)$/.test(text)
    ? 16
    : [/[a-z]/, /[A-Z]/, /[0-9]/, /[^a-zA-Z0-9]/].reduce(
        (sum, kind, index) => sum + (kind.test(text) ? ([26, 26, 10, 32][index] ?? 0) : 0),
        0,
      );
  return text.length * Math.log2(size);
}
