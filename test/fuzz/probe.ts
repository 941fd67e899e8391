/**
 * Loaded into the process under test with `--import`. Reports values that are only visible inside the process. Listens on a
 * port that it writes into the file of ROLLCALL_PROBE, and answers each line with one line of JSON.
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

/** CPU time of this thread in milliseconds. A stall caused by another process costs none. */
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
  // The time that the event loop itself worked between two of its rounds, without the time it waited.
  worstMs = Math.max(worstMs, Math.min(now.wallMs - at.wallMs - everyMs, now.cpuMs - at.cpuMs));
  at = now;
}, everyMs).unref();

let uncaught = 0;
process.on("uncaughtExceptionMonitor", () => {
  uncaught += 1;
});

// Taken at the first question, after the start: a library may change prototypes, a request must not.
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
