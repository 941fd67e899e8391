import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

/** A certificate with its key, both PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate is for; validity as times in milliseconds. */
export interface Wish {
  readonly name: string;
  readonly fromMs?: number;
  readonly toMs?: number;
}

// Just enough DER (ITU-T X.690) to write X.509 certificates (RFC 5280): no tool has to be there.
const der = (tag: number, ...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const length =
    body.length < 128
      ? Buffer.from([body.length])
      : body.length < 256
        ? Buffer.from([0x81, body.length])
        : Buffer.from([0x82, body.length >> 8, body.length & 255]);
  return Buffer.concat([Buffer.from([tag]), length, body]);
};
const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, ...parts);
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, "hex"));
const bits = (bytes: Buffer): Buffer => der(0x03, Buffer.from([0]), bytes);
const yes = der(0x01, Buffer.from([0xff]));
const nameOf = (text: string): Buffer =>
  sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from(text, "utf8")))));
const timeOf = (ms: number): Buffer =>
  der(0x18, Buffer.from(`${new Date(ms).toISOString().slice(0, 19).replace(/[-:T]/g, "")}Z`));
const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"));
const yearMs = 365 * 86_400_000;

function issue(
  { name, fromMs = Date.now() - 60_000, toMs = Date.now() + yearMs }: Wish,
  by: { readonly name: string; readonly key: KeyObject } | null,
  extensions: readonly Buffer[],
) {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const tbs = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ecdsaWithSha256,
    nameOf(by?.name ?? name),
    sequence(timeOf(fromMs), timeOf(toMs)),
    nameOf(name),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...extensions)),
  );
  const body = sequence(tbs, ecdsaWithSha256, bits(sign("sha256", tbs, by?.key ?? privateKey)));
  const lines = body.toString("base64").match(/.{1,64}/g) ?? [];
  const cert = `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
  return { cert, privateKey, key: privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
}

const octets = (...parts: readonly Buffer[]): Buffer => der(0x04, ...parts);

/** A certificate authority of a test's own. */
export function authority(name = "Test CA") {
  const { cert, privateKey } = issue({ name }, null, [
    sequence(oid("551d13"), yes, octets(sequence(yes))),
    sequence(oid("551d0f"), yes, octets(der(0x03, Buffer.from([1, 0x06])))),
  ]);
  const signed = (wish: Wish, ...extensions: readonly Buffer[]): Issued => {
    const { cert: own, key } = issue(wish, { name, key: privateKey }, extensions);
    return { cert: own, key };
  };
  const names = (name: string): Buffer =>
    sequence(
      oid("551d11"),
      octets(
        sequence(
          der(0x82, Buffer.from(name)),
          der(0x82, Buffer.from("localhost")),
          der(0x87, Buffer.from([127, 0, 0, 1])),
        ),
      ),
    );
  return {
    cert,
    /** For `wish.name` as DNS name, localhost and 127.0.0.1. */
    server: (wish: Wish): Issued => signed(wish, names(wish.name)),
    client: (wish: Wish): Issued => signed(wish),
  };
}
