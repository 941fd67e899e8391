#!/usr/bin/env node
// Synthetic directory generator (own work). Deterministic for a given seed.
// usage: node gen-ldif.mjs --users 10000 [--group-every 100] [--members 50] [--suffix dc=bench,dc=example,dc=org]
//        [--nested 0] [--seed 1] [--base] > out.ldif
// --nested N : every Nth group additionally has the previous group as a member (nested groups)
// --photo BYTES : adds a random jpegPhoto of that size to every user (LDAP entries with bulky unused attributes)
import { createHash } from "node:crypto";

const arg = (n, d) => {
  const i = process.argv.indexOf(`--${n}`);
  return i < 0 ? d : process.argv[i + 1];
};
const users = +arg("users", 1000),
  every = +arg("group-every", 100),
  mem = +arg("members", 50);
const photo = +arg("photo", 0);
const suffix = arg("suffix", "dc=bench,dc=example,dc=org"),
  nested = +arg("nested", 0);
let s = +arg("seed", 1) >>> 0;
const rnd = () => {
  s |= 0;
  s = (s + 0x6d2b79f5) | 0;
  let t = Math.imul(s ^ (s >>> 15), 1 | s);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const F =
  "Anna Ben Carla David Eva Frank Grete Hans Ida Jan Kim Lara Max Nina Omar Petra Quentin Rosa Sami Tina Ute Viktor Wanda Xaver Yara Zoe".split(
    " ",
  );
const L =
  "Adler Becker Conrad Dietz Engel Fischer Graf Huber Iversen Jung Keller Lang Maier Neumann Otto Peters Quast Richter Schmidt Thoma Ulrich Vogel Weber Xander Yilmaz Zimmer".split(
    " ",
  );
const dept = ["Engineering", "Finance", "Sales", "Legal", "Support", "Operations", "Research"];
const uuid = (k) => {
  const h = createHash("sha1").update(k).digest("hex");
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-5${h.slice(13, 16)}-a${h.slice(17, 20)}-${h.slice(20, 32)}`;
};
let out = [];
const w = (x) => {
  out.push(x);
  if (out.length > 2000) {
    process.stdout.write(out.join(""));
    out = [];
  }
};
const dc = suffix.match(/^dc=([^,]+)/i)[1];
w(`dn: ${suffix}\nobjectClass: top\nobjectClass: dcObject\nobjectClass: organization\no: Bench\ndc: ${dc}\n\n`);
for (const ou of ["people", "groups", "service"])
  w(`dn: ou=${ou},${suffix}\nobjectClass: organizationalUnit\nou: ${ou}\n\n`);
const udn = (i) => `uid=u${String(i).padStart(6, "0")},ou=people,${suffix}`;
for (let i = 0; i < users; i++) {
  const g = F[Math.floor(rnd() * F.length)],
    n = L[Math.floor(rnd() * L.length)],
    id = String(i).padStart(6, "0");
  w(
    `dn: ${udn(i)}\nobjectClass: inetOrgPerson\nuid: u${id}\ncn: ${g} ${n} ${id}\nsn: ${n}\ngivenName: ${g}\ndisplayName: ${g} ${n}\n` +
      `mail: ${g.toLowerCase()}.${n.toLowerCase()}.${id}@bench.example.org\nemployeeNumber: ${i}\nemployeeType: active\ndepartmentNumber: ${dept[i % dept.length]}\n` +
      `title: ${dept[i % dept.length]} associate\ntelephoneNumber: +49 30 ${100000 + i}\nl: Berlin\ndescription: synthetic user ${id}\nentryUUID: ${uuid(`u${id}`)}\n` +
      (photo
        ? `jpegPhoto:: ${Buffer.from(Uint8Array.from({ length: photo }, () => Math.floor(rnd() * 256))).toString("base64")}\n`
        : "") +
      "\n",
  );
}
const groups = Math.max(1, Math.floor(users / every));
for (let j = 0; j < groups; j++) {
  const id = String(j).padStart(5, "0");
  const set = new Set();
  while (set.size < Math.min(mem, users)) set.add(Math.floor(rnd() * users));
  let e = `dn: cn=team-${id},ou=groups,${suffix}\nobjectClass: groupOfNames\ncn: team-${id}\ndescription: synthetic group ${id}\nentryUUID: ${uuid(`g${id}`)}\n`;
  for (const m of set) e += `member: ${udn(m)}\n`;
  if (nested && j && j % nested === 0) e += `member: cn=team-${String(j - 1).padStart(5, "0")},ou=groups,${suffix}\n`;
  w(`${e}\n`);
}
process.stdout.write(out.join(""));
