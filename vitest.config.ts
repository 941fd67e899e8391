import { defineConfig } from "vitest/config";

const isCi = process.env["CI"] === "true";

export default defineConfig({
  test: {
    environment: "node",
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/support/loopback-only.ts"],
    // Processes, as tests start servers and send signals; two, as that is how many cores a small machine has.
    pool: "forks",
    maxWorkers: 2,
    // Real servers and processes on two shared cores: CI asks once more before it says no. Here a flaw shows at once.
    retry: isCi ? 1 : 0,
    testTimeout: isCi ? 30_000 : 15_000,
    hookTimeout: 60_000,
    dangerouslyIgnoreUnhandledErrors: false,
    allowOnly: !isCi,
    restoreMocks: true,
    unstubEnvs: true,
    reporters: isCi ? ["default", ["json", { outputFile: "coverage/tests.json" }]] : ["default"],
  },
});
