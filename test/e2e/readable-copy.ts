import { execFileSync } from "node:child_process";
import { constants } from "node:fs";
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const checkout = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Copies the program and the Node.js that runs it to a folder, and lets every user read and run the copy. The checkout
 * itself may lie in a folder that other users can't enter. Returns the command that runs the copy.
 */
export async function readableCopy(folder: string): Promise<readonly [node: string, main: string]> {
  const lock: { readonly packages: Readonly<Record<string, { readonly dev?: boolean }>> } = JSON.parse(
    await readFile(join(checkout, "package-lock.json"), "utf8"),
  );
  const packages = Object.entries(lock.packages).flatMap(([path, { dev }]) => (path === "" || dev ? [] : [path]));
  // A package inside another one is copied with it.
  const outermost = packages.filter((path) => path.lastIndexOf("node_modules/") === 0);
  const copy = (from: string, to: string): Promise<void> =>
    cp(from, to, { recursive: true, mode: constants.COPYFILE_FICLONE });
  await Promise.all(
    ["src", "package.json", ...outermost].map((path) => copy(join(checkout, path), join(folder, path))),
  );
  const node = join(folder, "node");
  await copy(process.execPath, node);
  execFileSync("chmod", ["-R", "a+rX", folder]);
  return [node, join(folder, "src/main.ts")];
}
