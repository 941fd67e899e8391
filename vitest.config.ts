import { defineConfig } from "vitest/config";

const isCi = process.env["CI"] === "true";

export default defineConfig({
  test: {
    environment: "node",
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/support/loopback-only.ts"],
    // Processes, because tests start servers and send signals. Two, because a small machine has two cores.
    pool: "forks",
    maxWorkers: 2,
    // A retry would hide a flaw.
    retry: 0,
    // Maximum times, far above what a busy machine needs: a test that hangs ends.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    dangerouslyIgnoreUnhandledErrors: false,
    allowOnly: !isCi,
    restoreMocks: true,
    unstubEnvs: true,
    reporters: isCi ? ["default", ["json", { outputFile: "coverage/tests.json" }]] : ["default"],
  },
});
