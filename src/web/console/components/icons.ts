import { type Markup, raw } from "./html.ts";

/** Drawn on 24 × 24 with a stroke of 2, in the colour of the text. */
const paths = {
  overview:
    '<rect x="3" y="3" width="7" height="9" rx="1.5"/><rect x="14" y="3" width="7" height="5" rx="1.5"/><rect x="14" y="12" width="7" height="9" rx="1.5"/><rect x="3" y="16" width="7" height="5" rx="1.5"/>',
  people:
    '<circle cx="9" cy="8" r="3.5"/><path d="M2.5 20c.6-3.6 3.2-5.5 6.5-5.5s5.9 1.9 6.5 5.5"/><path d="M16 4.8a3.5 3.5 0 0 1 0 6.4M18.5 15c1.7.8 2.7 2.5 3 5"/>',
  groups:
    '<rect x="3" y="4" width="18" height="6" rx="2"/><rect x="3" y="14" width="18" height="6" rx="2"/><path d="M7 7h.01M7 17h.01"/>',
  plan: '<path d="M9 6h12M9 12h12M9 18h12"/><path d="m3 6 1 1 2-2M3 12l1 1 2-2M3 18l1 1 2-2"/>',
  connections:
    '<path d="M9 15 15 9"/><path d="m11 6 1.5-1.5a4.2 4.2 0 0 1 6 6L17 12"/><path d="m13 18-1.5 1.5a4.2 4.2 0 0 1-6-6L7 12"/>',
  activity: '<path d="M2 12h4l3-8 5 16 3-8h5"/>',
  good: '<circle cx="12" cy="12" r="9"/><path d="m8 12.5 2.8 2.8L16 9.5"/>',
  bad: '<path d="M8.3 3h7.4L21 8.3v7.4L15.7 21H8.3L3 15.7V8.3z"/><path d="M12 8v4.5M12 16h.01"/>',
  warn: '<path d="M12 3.5 22 20.5H2z"/><path d="M12 10v4.5M12 17.5h.01"/>',
  wait: '<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3.5 2"/>',
  held: '<rect x="5" y="11" width="14" height="9" rx="2"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>',
  idle: '<circle cx="12" cy="12" r="9"/><path d="M8 12h8"/>',
  info: '<circle cx="12" cy="12" r="9"/><path d="M12 11.5V16M12 8h.01"/>',
  out: '<path d="M14 4h4a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2h-4"/><path d="M3 12h11M10 8l4 4-4 4"/>',
  external: '<path d="M14 4h6v6M20 4l-9 9"/><path d="M18 14v4a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2h4"/>',
  download: '<path d="M12 4v11M7.5 11l4.5 4.5 4.5-4.5M4 20h16"/>',
  target:
    '<rect x="4" y="4" width="16" height="16" rx="3"/><circle cx="12" cy="12" r="3.5"/><path d="M12 8.5V7M12 17v-1.5M15.5 12H17M7 12h1.5"/>',
} as const;

export type IconName = keyof typeof paths;

const drawn = new Map(
  Object.entries(paths).map(([name, path]) => [
    name,
    raw(
      `<svg class="icon" viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">${path}</svg>`,
    ),
  ]),
);

/** Hidden from screen readers: each icon has a text beside it. */
export const icon = (name: IconName): Markup => drawn.get(name) ?? raw("");

/** The mark of the product: a list that is checked off. */
export const mark: Markup = raw(
  '<svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false"><rect width="32" height="32" rx="8" fill="currentColor"/><g fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round"><path d="m7.5 10.5 2 2 3.5-4M7.5 20.5l2 2 3.5-4"/><path d="M17 11h7.5M17 21h7.5"/></g></svg>',
);
