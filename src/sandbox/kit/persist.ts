import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** State that can be saved as JSON. */
export interface Persistable {
  snapshot(): unknown;
  load(snapshot: unknown): void;
}

/**
 * Loads a state from a file if it exists, and creates the folder if it does not. Returns a function that resolves when
 * every change made so far is in the file.
 */
export async function persist(file: string, state: Persistable): Promise<() => Promise<void>> {
  await mkdir(dirname(file), { recursive: true });
  let saved = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (saved !== undefined) state.load(JSON.parse(saved));
  let last = Promise.resolve();
  const save = async (): Promise<void> => {
    const text = JSON.stringify(state.snapshot());
    if (text === saved) return;
    await writeFile(`${file}.tmp`, text, { mode: 0o600 });
    await rename(`${file}.tmp`, file);
    saved = text;
  };
  // One write at a time: a second one would write into the same temporary file.
  return () => {
    last = last.then(save, save);
    return last;
  };
}
