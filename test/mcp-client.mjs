// Runs Bitwarden's own client, @bitwarden/mcp-server, against our Bitwarden emulator: an independent check that the
// emulator speaks what a real client expects. Not part of `npm test`; run `node test/mcp-client.mjs`.
// Exit code 0 when every check holds, 1 otherwise. Without the package (no registry) it is skipped, unless CI=true.
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { startBitwarden } from "../src/sandbox/index.ts";

const answerLimitMs = 20_000;

/** Installs the client into `folder`; the reason when that failed. */
function install(folder) {
  const npm = spawnSync("npm", ["i", "--prefix", folder, "--no-audit", "--no-fund", "@bitwarden/mcp-server"], {
    encoding: "utf8",
    timeout: 180_000,
  });
  if (npm.status === 0) return undefined;
  const line = (npm.stderr ?? "").split("\n").find((text) => /npm error/.test(text));
  return `@bitwarden/mcp-server could not be installed: ${line ?? npm.error?.message ?? `npm ended with ${npm.status}`}`;
}

/** MCP over stdio: one JSON-RPC message a line. */
class McpClient {
  #nextId = 1;
  #waiting = new Map();
  #child;

  constructor(folder, sandbox) {
    const program = join(folder, "node_modules/@bitwarden/mcp-server/dist/index.js");
    const env = {
      PATH: process.env.PATH,
      BW_API_BASE_URL: sandbox.apiUrl,
      BW_IDENTITY_URL: sandbox.identityUrl,
      BW_CLIENT_ID: sandbox.clientId,
      BW_CLIENT_SECRET: sandbox.clientSecret,
    };
    this.#child = spawn(process.execPath, [program], { env, stdio: ["pipe", "pipe", "ignore"] });
    this.#child.on("exit", (code) => this.#failAll(new Error(`the MCP server ended with ${code}`)));
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#receive(JSON.parse(line)));
  }

  request(method, params = {}) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${method}: no answer within ${answerLimitMs} ms`)),
        answerLimitMs,
      );
      this.#waiting.set(id, { resolve, reject, timer });
      this.#send({ jsonrpc: "2.0", id, method, params });
    });
  }

  async initialize() {
    const result = await this.request("initialize", {
      protocolVersion: "2025-06-18",
      capabilities: {},
      clientInfo: { name: "rollcall-test", version: "1" },
    });
    this.#send({ jsonrpc: "2.0", method: "notifications/initialized" });
    return result;
  }

  /** Calls a tool; the JSON it printed, or its plain text. */
  async call(name, args = {}) {
    const { content, isError } = await this.request("tools/call", { name, arguments: args });
    const text = content[0].text;
    if (isError) throw new Error(text);
    return /^[[{]/.test(text) ? JSON.parse(text) : text;
  }

  close() {
    this.#child.removeAllListeners("exit");
    this.#child.kill();
  }

  #send(message) {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`);
  }

  #receive({ id, result, error }) {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (error) waiting.reject(new Error(error.message));
    else waiting.resolve(result);
  }

  #failAll(error) {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
  }
}

function same(found, wanted) {
  if (JSON.stringify(found) !== JSON.stringify(wanted))
    throw new Error(`found ${JSON.stringify(found)}, wanted ${JSON.stringify(wanted)}`);
}

/** Text of the refusal a call must meet. */
async function refusal(work) {
  return work.then(
    () => "no refusal",
    (error) => error.message,
  );
}

/** @type {[string, (client: McpClient, sandbox: any, memo: any) => Promise<void>][]} */
const checks = [
  ["initialize", async (client) => same((await client.initialize()).serverInfo.name, "Bitwarden MCP Server")],
  [
    "list tools",
    async (client) => {
      const names = (await client.request("tools/list")).tools.map((tool) => tool.name);
      same(
        ["list_org_members", "invite_org_member", "update_org_group_members"].filter((name) => !names.includes(name)),
        [],
      );
    },
  ],
  [
    "list members",
    async (client) =>
      same(
        (await client.call("list_org_members")).data.map((member) => member.email),
        ["owner@example.com"],
      ),
  ],
  [
    "invite a member",
    async (client, { state }, memo) => {
      memo.member = await client.call("invite_org_member", { email: "Ada@example.com", type: 2, externalId: "e1" });
      same([memo.member.status, memo.member.email, state.mails("ada@example.com")], [0, "ada@example.com", 1]);
    },
  ],
  [
    "refuse a second invitation",
    async (client) => {
      const text = await refusal(client.call("invite_org_member", { email: "ada@example.com", type: 2 }));
      same([text.includes("400"), text.includes("This user has already been invited.")], [true, true]);
    },
  ],
  [
    "reinvite",
    async (client, { state }, memo) => {
      same(await client.call("reinvite_org_member", { memberId: memo.member.id }), "Success: Operation completed");
      same(state.reinvites("ada@example.com"), 1);
    },
  ],
  [
    "create a group",
    async (client, { state }, memo) => {
      memo.group = await client.call("create_org_group", { name: "Engineering", externalId: "g1" });
      same([memo.group.object, state.groupByName("Engineering").externalId], ["group", "g1"]);
    },
  ],
  [
    "set membership",
    async (client, { state }, memo) => {
      await client.call("update_org_group_members", { groupId: memo.group.id, memberIds: [memo.member.id] });
      same(state.membersOfGroup("Engineering"), ["ada@example.com"]);
    },
  ],
  [
    "read membership back from both sides",
    async (client, _, memo) => {
      same(await client.call("get_org_group_members", { groupId: memo.group.id }), [memo.member.id]);
      same(await client.call("get_org_member_groups", { memberId: memo.member.id }), [memo.group.id]);
    },
  ],
  [
    "update a member",
    async (client, { state }, memo) => {
      const updated = await client.call("update_org_member", { memberId: memo.member.id, type: 1 });
      // The client sends no externalId, and the API resets it.
      same([updated.type, state.member(memo.member.id).externalId], [1, null]);
    },
  ],
  [
    "revoke, refuse a second revoke, restore",
    async (client, { state }, memo) => {
      await client.call("revoke_org_member", { memberId: memo.member.id });
      const text = await refusal(client.call("revoke_org_member", { memberId: memo.member.id }));
      same([state.member(memo.member.id).status, text.includes("Already revoked.")], [-1, true]);
      await client.call("restore_org_member", { memberId: memo.member.id });
      same((await client.call("get_org_member", { memberId: memo.member.id })).status, 0);
    },
  ],
  [
    "rename and list groups",
    async (client, _, memo) => {
      await client.call("update_org_group", { groupId: memo.group.id, name: "Research", externalId: "g1" });
      same(
        (await client.call("list_org_groups")).data.map((group) => group.name),
        ["Research"],
      );
    },
  ],
  [
    "collections",
    async (client, { state }) => {
      const { id } = state.addCollection({ externalId: "c1" });
      same(
        (await client.call("list_org_collections")).data.map((collection) => collection.id),
        [id],
      );
      same((await client.call("update_org_collection", { collectionId: id, externalId: "c2" })).externalId, "c2");
    },
  ],
  [
    "import",
    async (client, { state }) => {
      const members = [{ email: "alan@example.com", externalId: "e2", deleted: false }];
      const groups = [{ name: "Imported", externalId: "g2", memberExternalIds: ["e2"] }];
      await client.call("import_org_users_and_groups", { members, groups, overwriteExisting: false });
      same([state.membersOfGroup("Imported"), state.mails("alan@example.com")], [["alan@example.com"], 1]);
    },
  ],
  [
    "policies",
    async (client) => {
      await client.call("update_org_policy", { policyType: 0, enabled: true });
      same(
        (await client.call("list_org_policies")).data.map((policy) => [policy.type, policy.enabled]),
        [[0, true]],
      );
    },
  ],
  [
    "events",
    async (client) => {
      const [start, end] = [-1, 1].map((days) => new Date(Date.now() + days * 86_400_000).toISOString());
      const events = await client.call("get_org_events", { start, end });
      same([events.object, events.data.some((event) => event.type === 1500)], ["list", true]);
    },
  ],
  [
    "subscription",
    async (client) => same((await client.call("get_org_subscription")).passwordManager.maxAutoScaleSeats, null),
  ],
  [
    "remove a member and a group",
    async (client, { state }, memo) => {
      await client.call("remove_org_member", { memberId: memo.member.id });
      await client.call("delete_org_group", { groupId: memo.group.id });
      same([state.memberByEmail("ada@example.com"), state.groupByName("Research")], [undefined, undefined]);
    },
  ],
  [
    "keep the last owner",
    async (client, { state }) => {
      const memberId = state.memberByEmail("owner@example.com").id;
      same(
        (await refusal(client.call("remove_org_member", { memberId }))).includes("at least one confirmed owner"),
        true,
      );
    },
  ],
  [
    "one token for everything",
    async (_, { requests, tokens }) => same([tokens.issued, requests.count({ path: /connect\/token/ })], [1, 1]),
  ],
];

async function main() {
  const folder = await mkdtemp(join(tmpdir(), "rollcall-mcp-"));
  const sandbox = await startBitwarden();
  let client;
  try {
    const reason = install(folder);
    if (reason !== undefined) {
      console.log(`skipped: ${reason}`);
      return process.env.CI === "true" ? 1 : 0;
    }
    sandbox.state.addMember({ email: "owner@example.com", type: 0 });
    client = new McpClient(folder, sandbox);
    return await runChecks(client, sandbox);
  } finally {
    client?.close();
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function runChecks(client, sandbox) {
  const memo = {};
  let failures = 0;
  for (const [name, check] of checks) {
    try {
      await check(client, sandbox, memo);
      console.log(`ok      ${name}`);
    } catch (error) {
      failures += 1;
      console.log(`FAILED  ${name}: ${error.message}`);
    }
  }
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main();
