import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { scimToken } from "../support/rollcall-process.ts";
import { person } from "../support/scim-client.ts";
import { emails, makeStage, type Serving, stateOf } from "../support/stage.ts";
import { until } from "../support/until.ts";

/** A POST whose body stops half way until `finish`; `answered` is all that came back. */
async function halfSent({ baseUrl }: Serving, email: string) {
  const body = JSON.stringify(person(email));
  const socket = connect(Number(new URL(baseUrl).port), "127.0.0.1");
  let answer = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    answer += text;
  });
  const answered = new Promise<string>((resolve) => socket.once("close", () => resolve(answer)));
  socket.on("error", () => undefined);
  const head = [
    "POST /scim/v2/Users HTTP/1.1",
    "Host: 127.0.0.1",
    `Authorization: Bearer ${scimToken}`,
    "Content-Type: application/scim+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    // The server answers this once it has the request's head: from then on the request is in flight.
    "Expect: 100-continue",
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n${body.slice(0, 40)}`);
  await until(() => expect(answer).toContain("100 Continue"));
  return { finish: () => socket.write(body.slice(40)), answered };
}

describe("serve, told to stop", () => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "by %s answers what is in flight, gives back its tokens, and exits 0",
    async (signal) => {
      await using stage = await makeStage();
      stage.onePassword.state.addUser({ email: "ada@example.com" });
      const serve = await stage.serve();
      // A connection that stays open without a request keeps nothing waiting.
      await serve.idp.hire("ada@example.com");
      await until(() => expect(stage.onePassword.tokens.alive).toBe(1));
      const request = await halfSent(serve, "late@example.com");
      const stopped = serve.stop(signal);
      await until(() => expect(serve.stderr()).toContain(`${signal}: stopping`));
      await expect(fetch(`${serve.baseUrl}/healthz`)).rejects.toThrow();
      request.finish();
      expect(await request.answered).toMatch(/HTTP\/1\.1 201 Created.*"userName":"late@example\.com"/s);
      expect((await stopped).code).toBe(0);
      expect([stage.onePassword.tokens.issued > 0, stage.onePassword.tokens.alive]).toEqual([true, 0]);

      // What was answered is there, and is delivered by the next one.
      expect((await stage.run("sync")).code).toBe(0);
      expect(stateOf(stage, "late@example.com")).toBe("invited");
    },
  );

  it("finishes the running calls, and leaves the rest for the next start", async () => {
    await using stage = await makeStage({ sections: { reconcile: { settle: "0s" } } });
    const serve = await stage.serve();
    stage.bitwarden.faults.latencyMs = 50;
    for (const email of emails(10)) await serve.idp.hire(email);
    await until(() => expect(stage.bitwarden.state.members.size).toBeGreaterThan(0));
    const { code, stderr } = await serve.stop();
    expect(code).toBe(0);
    expect(
      stderr
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
        .filter(({ level }) => level === "error"),
    ).toEqual([]);
    stage.bitwarden.faults.clear();
    expect((await stage.run("sync")).code).toBe(0);
    expect(Object.fromEntries(stage.bitwarden.state.allMails)).toEqual(
      Object.fromEntries(emails(10).map((email) => [email, 1])),
    );
  });

  it("has a time limit for a vendor or a client that does not answer", async () => {
    await using stage = await makeStage();
    const serve = await stage.serve();
    await serve.idp.hire("ada@example.com");
    await until(() => expect(stateOf(stage, "ada@example.com")).toBe("invited"));
    stage.bitwarden.faults.add({ kind: "hang", times: Number.POSITIVE_INFINITY });
    stage.onePassword.faults.add({ kind: "hang", path: /revoke/ });
    const struck = stage.bitwarden.faults.struck;
    await serve.idp.hire("alan@example.com");
    await until(() => expect(stage.bitwarden.faults.struck).toBeGreaterThan(struck));
    const request = await halfSent(serve, "never@example.com");
    const { code, stderr } = await serve.stop();
    expect(code).toBe(0);
    // Less than the 10 s that \`docker stop\` waits.
    expect(Number(/stopping, at most (\d+) s/.exec(stderr)?.[1])).toBeLessThan(10);
    expect(await request.answered).not.toContain("201 Created");
  });
});
