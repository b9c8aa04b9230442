// Watch: the searches of one's own tenant, and any of them while it runs.

import { answerNow, cancel, watchTrace } from "./api.mjs";
import { isFinal } from "./fold.mjs";
import { html, useFocusFromList, useTitle } from "./html.mjs";
import { List } from "./list_view.mjs";
import { SaveButtons } from "./save.mjs";
import { nameWindow } from "./text.mjs";
import { TraceView } from "./trace_view.mjs";
import { useEffect, useState } from "./vendor/preact/hooks.mjs";

export function WatchView({ id, onUnauthorized }) {
  return html`${id ? html`<${Search} id=${id} key=${id} onUnauthorized=${onUnauthorized} />` : null}
    <${List} view="watch" current=${id} onUnauthorized=${onUnauthorized} />`;
}

function Search({ id, onUnauthorized }) {
  const [trace, setTrace] = useState(null);
  const [error, setError] = useState("");
  const fail = (failure) => {
    if (failure.name === "AbortError") return;
    if (failure.status === 401) onUnauthorized();
    setError(failure.message);
  };
  useEffect(() => {
    const stop = new AbortController();
    watchTrace(id, setTrace, { signal: stop.signal }).catch(fail);
    return () => stop.abort();
  }, [id]);
  useTitle(trace && nameWindow(trace));
  useFocusFromList(trace?.id);
  return html`
    ${error && html`<p class="error" role="alert">${error}</p>`}
    ${trace && html`<${TraceView} trace=${trace} actions=${html`<${Actions} trace=${trace} onError=${fail} />`} />`}
  `;
}

/** Buttons of a search: while it runs, to end it; then, to save it. */
export function Actions({ trace, onError }) {
  if (isFinal(trace.status)) return html`<${SaveButtons} trace=${trace} />`;
  return html`
    <button onClick=${() => answerNow(trace.id).catch(onError)}>Answer now</button>
    <button class="quiet" onClick=${() => cancel(trace.id).catch(onError)}>Cancel</button>
  `;
}
