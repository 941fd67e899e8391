import type { PollFinding } from "../../../domain/ports/import-store.ts";

const examplesAtMost = 50;

/** Gathers what a poll met that people should know. */
export class Findings {
  readonly #found = new Map<PollFinding["kind"], { count: number; examples: string[] }>();

  add(kind: PollFinding["kind"], example: string): void {
    const finding = this.#found.get(kind) ?? { count: 0, examples: [] };
    finding.count += 1;
    if (finding.examples.length < examplesAtMost) finding.examples.push(example);
    this.#found.set(kind, finding);
  }

  addAll(kind: PollFinding["kind"], examples: readonly string[]): void {
    for (const example of examples) this.add(kind, example);
  }

  list(): readonly PollFinding[] {
    return [...this.#found].map(([kind, finding]) => ({ kind, ...finding }));
  }
}
