/**
 * Loaded into the process under test with `--import`: tells from within what cannot be seen from outside, to whoever
 * connects to the port that it writes into the file named by ROLLCALL_PROBE. Each line that comes in is answered with one.
 */
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";

const everyMs = 10;
const prototypes = { Object: Object.prototype, Array: Array.prototype, String: String.prototype, Map: Map.prototype };
const fingerprint = (): string =>
  JSON.stringify(
    Object.entries(prototypes).map(([name, prototype]) => [
      name,
      Object.getOwnPropertyNames(prototype).sort(),
      Object.getOwnPropertySymbols(prototype).map(String).sort(),
    ]),
  );

/** CPU time of this thread in milliseconds: a stall that another process causes costs none. */
const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();
let worstMs = 0;
let at = { wallMs: performance.now(), cpuMs: cpuMs() };
setInterval(() => {
  const now = { wallMs: performance.now(), cpuMs: cpuMs() };
  // Between two turns of the loop: what the loop itself worked, and did not just wait for.
  worstMs = Math.max(worstMs, Math.min(now.wallMs - at.wallMs - everyMs, now.cpuMs - at.cpuMs));
  at = now;
}, everyMs).unref();

let uncaught = 0;
process.on("uncaughtExceptionMonitor", () => {
  uncaught += 1;
});

// After everything that is loaded at the start: a library may add to prototypes, requests may not.
let before: string | null = null;
const server = createServer((socket) => {
  socket.unref();
  socket.on("error", () => socket.destroy());
  socket.on("data", () => {
    before ??= fingerprint();
    const told = {
      isIntact: before === fingerprint() && Object.keys({}).length === 0,
      worstStallMs: Math.round(worstMs),
      loopDelayMaxMs: Math.round(delay.max / 1e6),
      uncaught,
      heapMiB: Math.round(process.memoryUsage().heapUsed / 1024 / 1024),
    };
    worstMs = 0;
    socket.write(`${JSON.stringify(told)}\n`);
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  writeFileSync(process.env["ROLLCALL_PROBE"] ?? "", String(port));
});
server.unref();
