// One HTML file with the page, its modules and one trace in it. It opens without a server, and asks for nothing.

import { toInlineJson } from "./stream.mjs";

/** What a saved trace is drawn with. */
export const MODULES = [
  "main.mjs", "app.mjs", "api.mjs", "ask_view.mjs", "ask_form.mjs", "colour.mjs", "comparison.mjs", "cost.mjs", "explain.mjs", "export.mjs", "fold.mjs", "hatch.mjs", "head.mjs",
  "html.mjs", "inspector.mjs", "lanes.mjs", "lanes_view.mjs", "layout.mjs", "legend.mjs", "list_view.mjs", "options.mjs", "replay_view.mjs", "save.mjs", "slider.mjs", "solutions.mjs",
  "stream.mjs", "text.mjs", "trace_view.mjs", "tree_view.mjs", "votes.mjs", "votes_view.mjs", "watch_view.mjs",
  "vendor/preact/preact.mjs", "vendor/preact/hooks.mjs", "vendor/htm/htm.mjs", "vendor/d3-hierarchy/d3-hierarchy.mjs",
];
export const STYLES = ["colours.css", "style.css", "trace.css"];

export async function buildExport(trace) {
  const [modules, styles] = await Promise.all([readAll(MODULES), readAll(STYLES)]);
  const nonce = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return composeExport(trace, modules, styles, nonce);
}

async function readAll(names) {
  return Promise.all(
    names.map(async (name) => {
      const response = await fetch(`page/${name}`);
      if (!response.ok) throw new Error(`page/${name} cannot be read`);
      return [name, await response.text()];
    }),
  );
}

/** The file's text. Modules are data: addresses under the names by which they import each other. */
export function composeExport(trace, modules, styles, nonce) {
  const imports = Object.fromEntries(modules.map(([name, source]) => [`cogitate/${name}`, toAddress(useNames(source, name))]));
  imports.preact = imports["cogitate/vendor/preact/preact.mjs"];
  const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; base-uri 'none'; form-action 'none'`;
  const style = styles.map(([, text]) => text).join("\n").replaceAll("</", "<\\/");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>Cogitate: a search</title>
<style nonce="${nonce}">${style}</style>
<script type="application/json" id="trace">${toInlineJson(trace)}</script>
<script type="importmap" nonce="${nonce}">${toInlineJson({ imports })}</script>
</head>
<body>
<div id="app"></div>
<script type="module" nonce="${nonce}">import "cogitate/main.mjs";</script>
</body>
</html>
`;
}

/** Replaces relative imports by names of the import map, since a data: address has no folder. */
export function useNames(source, name) {
  return source.replace(/(\bfrom\s*|\bimport\s+)"(\.[^"]+)"/g, (_, before, path) => {
    const address = new URL(path, `file:///${name}`);
    return `${before}"cogitate${address.pathname}"`;
  });
}

function toAddress(source) {
  return `data:text/javascript;charset=utf-8,${encodeURIComponent(source)}`;
}
