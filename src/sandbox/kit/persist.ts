import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** State that can be saved as JSON. `version` grows with every change. */
export interface Persistable {
  readonly version: number;
  snapshot(): unknown;
  load(snapshot: unknown): void;
}

/** Keeps a state in a file: a change is in the file before its answer is sent. */
export class Persistence {
  readonly #file: string;
  readonly #state: Persistable;
  #savedVersion = -1;
  #writing: Promise<void> | undefined;

  constructor(file: string, state: Persistable) {
    this.#file = file;
    this.#state = state;
  }

  /** Loads the file if it exists, and creates its folder if it does not. */
  async load(): Promise<void> {
    await mkdir(dirname(this.#file), { recursive: true });
    const text = await readFile(this.#file, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (text === undefined) return;
    this.#state.load(JSON.parse(text));
    this.#savedVersion = this.#state.version;
  }

  /** Resolves when every change made so far is in the file. Callers at the same time share one write. */
  async flush(): Promise<void> {
    const wanted = this.#state.version;
    while (this.#savedVersion < wanted) {
      this.#writing ??= this.#write().finally(() => {
        this.#writing = undefined;
      });
      await this.#writing;
    }
  }

  async #write(): Promise<void> {
    const version = this.#state.version;
    const temporary = `${this.#file}.tmp`;
    await writeFile(temporary, JSON.stringify(this.#state.snapshot()), { mode: 0o600 });
    await rename(temporary, this.#file);
    this.#savedVersion = version;
  }
}
