// Watch: the searches of one's own tenant, and any of them while it runs.

import { answerNow, cancel, listTraces, watchTrace } from "./api.mjs";
import { isFinal } from "./fold.mjs";
import { breakName, html } from "./html.mjs";
import { SaveButtons } from "./save.mjs";
import { formatCount, shorten } from "./text.mjs";
import { TraceView } from "./trace_view.mjs";
import { useEffect, useState } from "./vendor/preact/hooks.mjs";

const REFRESH_MILLISECONDS = 2000;

export function WatchView({ id, onUnauthorized }) {
  return html`${id ? html`<${Search} id=${id} key=${id} onUnauthorized=${onUnauthorized} />` : null}
    <${List} current=${id} onUnauthorized=${onUnauthorized} />`;
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

function List({ current, onUnauthorized }) {
  const [traces, setTraces] = useState(null);
  const [error, setError] = useState("");
  useEffect(() => {
    const stop = new AbortController();
    const refresh = () =>
      listTraces(stop.signal).then(
        (list) => {
          setTraces(list.data);
          setError("");
        },
        (failure) => {
          if (failure.name === "AbortError") return;
          if (failure.status === 401) {
            clearInterval(timer);
            onUnauthorized();
          }
          setError(failure.message);
        },
      );
    const timer = setInterval(() => document.hidden || refresh(), REFRESH_MILLISECONDS);
    refresh();
    return () => {
      clearInterval(timer);
      stop.abort();
    };
  }, []);
  const find = (event) => {
    event.preventDefault();
    const wanted = new FormData(event.target).get("id").trim();
    if (wanted) location.hash = `#/watch/${encodeURIComponent(wanted)}`;
  };
  return html`
    <section class="list">
      <h2>Searches <small>newest first</small></h2>
      <form class="find" onSubmit=${find}>
        <label for="watch-id">Request id</label>
        <input id="watch-id" name="id" placeholder="X-Request-Id" autocomplete="off" spellcheck=${false} />
        <button>Watch</button>
      </form>
      ${error && html`<p class="error" role="alert">${error}</p>`}
      ${traces && (traces.length ? html`<${Table} traces=${traces} current=${current} />` : html`<p class="hint">No search in the last ten minutes.</p>`)}
    </section>
  `;
}

function Table({ traces, current }) {
  return html`
    <div class="scroll"><table>
      <thead>
        <tr><th>search</th><th>strategy</th><th>answer</th><th class="number">decoded tokens</th><th class="number">prompt tokens</th><th>status</th></tr>
      </thead>
      <tbody>
        ${traces.map(
          (trace) => html`<tr key=${trace.id} aria-current=${trace.id === current ? "true" : null}>
            <td><a href=${`#/watch/${encodeURIComponent(trace.id)}`}>${shorten(trace.id, 10)}</a></td>
            <td>${breakName(trace.strategy?.name ?? "none")}</td>
            <td>${shorten(trace.answer ?? "", 48)}</td>
            <td class="number">${formatCount(trace.usage?.completion_tokens)}</td>
            <td class="number">${formatCount(trace.usage?.prompt_tokens)}</td>
            <td><span class=${`state ${trace.status}`}>${trace.stopped ?? trace.status}</span></td>
          </tr>`,
        )}
      </tbody>
    </table></div>
  `;
}
