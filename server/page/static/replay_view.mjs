// Replay: a trace by its id, or from a file.

import { fetchTrace } from "./api.mjs";
import { SaveButtons } from "./save.mjs";
import { Hatch } from "./hatch.mjs";
import { html, useFocusFromList, useTitle } from "./html.mjs";
import { List } from "./list_view.mjs";
import { parseTrace } from "./stream.mjs";
import { nameWindow } from "./text.mjs";
import { TraceView } from "./trace_view.mjs";
import { useEffect, useState } from "./vendor/preact/hooks.mjs";

export function ReplayView({ id, onUnauthorized }) {
  const [trace, setTrace] = useState(null);
  const [error, setError] = useState("");
  useEffect(() => {
    if (!id) return undefined;
    const stop = new AbortController();
    setError("");
    setTrace(null);
    fetchTrace(id, stop.signal).then(setTrace, (failure) => {
      if (failure.name === "AbortError") return;
      if (failure.status === 401) onUnauthorized();
      setError(failure.message);
    });
    return () => stop.abort();
  }, [id]);
  useTitle(trace && nameWindow(trace));
  useFocusFromList(trace?.id);
  const open = async (file) => {
    if (!file) return;
    setTrace(null);
    try {
      setTrace(parseTrace(await file.text()));
      setError("");
    } catch (failure) {
      setError(failure.message);
    }
  };
  const find = (event) => {
    event.preventDefault();
    const wanted = new FormData(event.target).get("id").trim();
    if (wanted) location.hash = `#/replay/${encodeURIComponent(wanted)}`;
  };
  return html`
    <form class="find" onSubmit=${find}>
      <label for="trace-id">Trace</label>
      <input id="trace-id" name="id" placeholder="X-Request-Id" defaultValue=${id} autocomplete="off" spellcheck=${false} />
      <button>Open</button>
      <label class="file">or a file <input type="file" accept=".json,application/json" onChange=${(event) => open(event.target.files[0])} /></label>
    </form>
    ${error && html`<p class="error" role="alert">${error}</p>`}
    ${trace
      ? html`<${TraceView} trace=${trace} key=${trace.id} actions=${html`<${SaveButtons} trace=${trace} />`} />`
      : html`<p class="hint">A trace is kept for ten minutes after its search. Save it to keep it: as JSON, or as one HTML file.</p>`}
    <${List} view="replay" current=${trace?.id} onUnauthorized=${onUnauthorized} />
  `;
}

/** The page of an exported file. */
export function Saved({ trace }) {
  useTitle(nameWindow(trace));
  return html`
    <header class="top"><h1 class="brand">Cogitate</h1></header>
    <${Hatch} />
    <main><${TraceView} trace=${trace} /></main>
  `;
}
