import { lockForReconciling, openSqliteStore } from "../../src/store/index.ts";

/**
 * A second process for tests of what survives a SIGKILL. `write`: one person after the other, each acknowledged on a
 * line; ends by itself after `count`. `lock`: holds the lock. Both until killed.
 */
const [mode, path = "", prefix = "", count = "1e9"] = process.argv.slice(2);

if (mode === "lock") {
  const lock = lockForReconciling(path);
  process.stdout.write("locked\n");
  // Kept: the target that holds the lock would be closed with the garbage.
  setInterval(() => lock, 1000);
} else {
  const store = await openSqliteStore(path);
  for (let index = 0; index < Number(count); index += 8) {
    // Several at once: they share a commit.
    await Promise.all(
      Array.from({ length: 8 }, async (_, at) => {
        const userName = `${prefix}${index + at}`;
        const { id } = await store.createUser(
          "okta",
          {
            resource: { userName },
            userName,
            externalId: null,
            email: null,
            emails: [],
            displayName: userName,
            isActive: true,
          },
          { actor: "test", requestId: null },
        );
        process.stdout.write(`${id}\n`);
      }),
    );
  }
  await store.close();
}
