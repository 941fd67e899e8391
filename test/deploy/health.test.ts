import { describe, expect, it } from "vitest";
import { freePort } from "../support/listen.ts";
import { makeStage } from "../support/stage.ts";

describe("rollcall health", () => {
  it("calls the port of the configuration, whatever address it listens on", async () => {
    const port = await freePort();
    await using stage = await makeStage({ sections: { server: { listen: `0.0.0.0:${port}` }, targets: {} } });
    const before = await stage.run("health");
    expect(before).toMatchObject({ code: 1, stdout: "" });
    expect(before.stderr).toContain(`http://127.0.0.1:${port}/healthz`);
    expect(before.stderr).toContain('is "rollcall serve" running?');

    const serving = await stage.serve();
    expect(await stage.run("health")).toMatchObject({ code: 0, stdout: "ok\n" });
    expect((await stage.run("health", "--ready", "--json")).json).toMatchObject({
      ok: true,
      url: `http://127.0.0.1:${port}/readyz`,
    });
    await serving.stop();
    expect((await stage.run("health")).code).toBe(1);
  });

  it("says that it does not know the port if the configuration leaves it open", async () => {
    await using stage = await makeStage({ sections: { server: { listen: "127.0.0.1:0" }, targets: {} } });
    const { code, stderr } = await stage.run("health");
    expect(code).toBe(1);
    expect(stderr).toContain("the port is not known: server.listen has port 0, which means any free port");
    expect(stderr).not.toContain('is "rollcall serve" running?');
  });
});
