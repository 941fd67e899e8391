import type { Terminal } from "../../app/context.ts";
import type { DirectoryStore } from "../../domain/ports/directory-store.ts";

const barWidth = 24;
/** Each drawing counts the rows of every target. */
const everyMs = 2000;

/** `acme [######------]  30 % 120/400  3 failed`; only the name where there is nothing to count. */
export function bar(name: string, done: number, total: number, failed: number): string {
  if (total === 0) return `${name} …`;
  const share = Math.min(1, Math.max(0, done / total));
  const filled = Math.floor(share * barWidth);
  const percent = String(Math.floor(share * 100)).padStart(3);
  return `${name} [${"#".repeat(filled)}${"-".repeat(barWidth - filled)}] ${percent} % ${done}/${total}${failed > 0 ? `  ${failed} failed` : ""}`;
}

/**
 * Draws on a terminal how much of what was pending is delivered, from the store's own counts; elsewhere does nothing.
 * Call the result to wipe it.
 */
export function showProgress({ progress }: Terminal, store: DirectoryStore, targets: readonly string[]): () => void {
  if (progress === null) return () => undefined;
  const most = new Map<string, number>();
  let isOver = false;
  const draw = async (): Promise<void> => {
    const bars = await Promise.all(
      targets.map(async (name) => {
        const { pending, failed } = await store.targetCounts(name);
        const total = Math.max(most.get(name) ?? 0, pending + failed);
        most.set(name, total);
        return bar(name, total - pending - failed, total, failed);
      }),
    );
    if (!isOver) progress(bars.join("   "));
  };
  // Ignore errors: the run itself reports a store that fails.
  const redraw = (): void => void draw().catch(() => undefined);
  redraw();
  const timer = setInterval(redraw, everyMs);
  return () => {
    isOver = true;
    clearInterval(timer);
    progress("");
  };
}
