import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { describe, expect, it } from "vitest";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

describe("Dockerfile", () => {
  const lines = read("Dockerfile").split("\n");
  const last = lines.slice(lines.findLastIndex((line) => line.startsWith("FROM ")));
  const argumentOf = (instruction: string): string | undefined =>
    last.find((line) => line.startsWith(`${instruction} `))?.slice(instruction.length + 1);

  it("builds in a stage of its own, on Node.js 24", () => {
    expect(lines.filter((line) => line.startsWith("FROM "))).toEqual([
      "FROM node:24-slim AS build",
      "FROM node:24-slim",
    ]);
    expect(last.filter((line) => line.startsWith("COPY ") && !line.includes("--from=build"))).toEqual([]);
  });

  it("runs as a numeric user who is not root, and answers for its health", () => {
    expect(argumentOf("USER")).toMatch(/^[1-9]\d+:[1-9]\d+$/);
    expect(argumentOf("VOLUME")).toBe("/data");
    expect(argumentOf("EXPOSE")).toBe("8080 8081");
    expect(JSON.parse(argumentOf("ENTRYPOINT") ?? "")).toEqual(["node", "--max-semi-space-size=4", "dist/main.js"]);
    expect(JSON.parse(argumentOf("CMD") ?? "")).toEqual(["serve", "-c", "/etc/rollcall/rollcall.yaml"]);
    const check = /^HEALTHCHECK .*\\\n {2}CMD (\[.*\])$/m.exec(last.join("\n"))?.[1] ?? "";
    expect(JSON.parse(check)).toEqual(["node", "dist/main.js", "health", "-c", "/etc/rollcall/rollcall.yaml"]);
    expect(argumentOf("STOPSIGNAL")).toBe("SIGTERM");
  });

  it("has no package manager at run time, and says what it is", () => {
    const text = last.join("\n").replaceAll("\\\n", " ");
    expect(text).toMatch(/^RUN rm -rf .*\/node_modules .*\/npm .*\/npx .*\/corepack/m);
    expect(text).not.toMatch(/^RUN .*\b(npm|yarn|apt-get) (ci|install|run|update)/m);
    for (const label of ["title", "description", "licenses"])
      expect(text).toContain(`org.opencontainers.image.${label}="`);
  });

  it("holds no secret", () => {
    expect(lines.filter((line) => /^(ARG|ENV) .*(TOKEN|SECRET|PASSWORD|KEY)/i.test(line))).toEqual([]);
  });

  it("copies only what .dockerignore lets in", () => {
    const [first, ...allowed] = read(".dockerignore").trim().split("\n");
    expect(first).toBe("*");
    const copied = lines.filter((line) => line.startsWith("COPY ") && !line.includes("--from"));
    const names = copied.flatMap((line) => line.split(" ").slice(1, -1));
    expect([...names].sort()).toEqual(allowed.map((line) => line.slice(1)).sort());
  });
});

describe("tests", () => {
  it("reach loopback only", async () => {
    const errorOf = async (url: string): Promise<unknown> => fetch(url).catch((error: Error) => error.cause);
    for (const url of ["http://192.0.2.1/", "http://example.com/", "http://[2001:db8::1]/"]) {
      expect(await errorOf(url)).toMatchObject({ code: "ENETUNREACH" });
    }
    const socket = createConnection(80, "192.0.2.1");
    await expect(new Promise((_, reject) => socket.once("error", reject))).rejects.toMatchObject({
      code: "ENETUNREACH",
    });
  });
});
