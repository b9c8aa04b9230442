// Saves a trace as JSON, or as one HTML file that needs no server.

import { buildExport } from "./export.mjs";
import { html } from "./html.mjs";

export function SaveButtons({ trace }) {
  const name = `cogitate-${String(trace.id).replace(/[^A-Za-z0-9._-]/g, "_")}`;
  return html`
    <button class="quiet" onClick=${() => save(`${name}.json`, "application/json", JSON.stringify(trace))}>Save JSON</button>
    <button class="quiet" onClick=${async () => save(`${name}.html`, "text/html", await buildExport(trace))}>Save HTML</button>
  `;
}

function save(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
