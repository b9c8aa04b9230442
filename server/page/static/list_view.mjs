// The searches of one's own tenant, the newest first, as links into the view that asks for them.

import { listTraces } from "./api.mjs";
import { breakName, html } from "./html.mjs";
import { formatAge, formatCount, shorten } from "./text.mjs";
import { useEffect, useState } from "./vendor/preact/hooks.mjs";

const REFRESH_MILLISECONDS = 2000;

/** `view`: the one in which a search is opened. */
export function List({ view, current, onUnauthorized }) {
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
  return html`
    <section class="list">
      <h2>Searches <small>newest first</small></h2>
      ${view === "watch" && html`<${Find} />`}
      ${error && html`<p class="error" role="alert">${error}</p>`}
      ${traces && (traces.length ? html`<${Table} view=${view} traces=${traces} current=${current} />` : html`<p class="hint">No search in the last ten minutes.</p>`)}
    </section>
  `;
}

function Find() {
  const find = (event) => {
    event.preventDefault();
    const wanted = new FormData(event.target).get("id").trim();
    if (wanted) location.hash = `#/watch/${encodeURIComponent(wanted)}`;
  };
  return html`
    <form class="find" onSubmit=${find}>
      <label for="watch-id">Request id</label>
      <input id="watch-id" name="id" placeholder="X-Request-Id" autocomplete="off" spellcheck=${false} />
      <button>Watch</button>
    </form>
  `;
}

function Table({ view, traces, current }) {
  return html`
    <div class="scroll"><table>
      <thead>
        <tr><th>search</th><th>strategy</th><th>answer</th><th class="number">decoded</th><th class="number wide">prompt tokens</th><th>status</th><th class="number">age</th></tr>
      </thead>
      <tbody>
        ${traces.map(
          (trace) => html`<tr key=${trace.id} aria-current=${trace.id === current ? "true" : null}>
            <td><a href=${`#/${view}/${encodeURIComponent(trace.id)}`}>${shorten(trace.id, 10)}</a></td>
            <td>${breakName(trace.strategy?.name ?? "none")}</td>
            <td>${shorten(trace.answer ?? "", 48)}</td>
            <td class="number">${formatCount(trace.usage?.completion_tokens)}</td>
            <td class="number wide">${formatCount(trace.usage?.prompt_tokens)}</td>
            <td><span class=${`state ${trace.status}`}>${trace.stopped ?? trace.status}</span></td>
            <td class="number">${formatAge(Math.max(0, Date.now() / 1000 - trace.created))}</td>
          </tr>`,
        )}
      </tbody>
    </table></div>
  `;
}
