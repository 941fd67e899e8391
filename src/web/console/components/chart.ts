import type { HourlyCounts } from "../../../domain/ports/console-store.ts";
import { count } from "../../../text/numbers.ts";
import { duration, isoTime } from "../../../text/times.ts";
import { html, type Markup } from "./html.ts";

const hourMs = 3_600_000;
const hoursShown = 24;
const width = 240;
const height = 44;
const step = width / hoursShown;

/** The calls of the last 24 hours, one bar per hour, and the totals as text. */
export function hourChart(name: string, hours: readonly HourlyCounts[], nowMs: number): Markup {
  const lastHourMs = Math.floor(nowMs / hourMs) * hourMs;
  const byHour = new Map(hours.map((hour) => [hour.hourMs, hour]));
  const bars = Array.from({ length: hoursShown }, (_, index) => {
    const atMs = lastHourMs - (hoursShown - 1 - index) * hourMs;
    const hour = byHour.get(atMs);
    return { atMs, done: (hour?.applied ?? 0) + (hour?.unconfirmed ?? 0), failed: hour?.failed ?? 0 };
  });
  const total = (key: "done" | "failed"): number => bars.reduce((sum, bar) => sum + bar[key], 0);
  const most = Math.max(1, ...bars.map(({ done, failed }) => done + failed));
  const scale = (value: number): number => (value === 0 ? 0 : Math.max(2, (value / most) * (height - 4)));
  const latest = hours.findLast(({ medianMs }) => medianMs !== null);
  const words = `${count(total("done"), "change")} made and ${total("failed")} failed in 24 h`;
  return html`<figure class="chart">
  <svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${`${name}: ${words}`}" preserveAspectRatio="none">
    <line x1="0" x2="${width}" y1="${height - 0.5}" y2="${height - 0.5}" class="axis"/>
    ${bars.map(({ atMs, done, failed }, index) => {
      const x = (index * step + 1).toFixed(1);
      const doneHeight = scale(done);
      const failedHeight = scale(failed);
      const title = `${isoTime(atMs).slice(11, 16)} UTC: ${done} made, ${failed} failed`;
      return html`<g><title>${title}</title><rect class="back" x="${x}" y="0" width="${step - 2}" height="${height}"/>${doneHeight > 0 && html`<rect class="done" x="${x}" y="${(height - doneHeight).toFixed(1)}" width="${step - 2}" height="${doneHeight.toFixed(1)}"/>`}${failedHeight > 0 && html`<rect class="failed" x="${x}" y="${(height - doneHeight - failedHeight).toFixed(1)}" width="${step - 2}" height="${failedHeight.toFixed(1)}"/>`}</g>`;
    })}
  </svg>
  <figcaption><span>${words}</span>${latest?.medianMs != null && html`<span>Delivery: median ${duration(latest.medianMs)}, 95th percentile ${duration(latest.p95Ms ?? latest.medianMs)}</span>`}</figcaption>
</figure>`;
}
