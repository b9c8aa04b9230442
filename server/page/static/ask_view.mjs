// Ask: one question to two or more strategies side by side, with the same seed, and what each costs.

import { createId, get, send, watchTrace } from "./api.mjs";
import { AskForm } from "./ask_form.mjs";
import { Comparison } from "./comparison.mjs";
import { html } from "./html.mjs";
import { TraceView } from "./trace_view.mjs";
import { useEffect, useRef, useState } from "./vendor/preact/hooks.mjs";
import { Actions } from "./watch_view.mjs";

const RETRY_MILLISECONDS = 2000;
const MAX_FOLLOWED = 2;

export function AskView({ onUnauthorized }) {
  const [choices, setChoices] = useState({ models: [], strategies: [] });
  const [runs, setRuns] = useState([]);
  const [error, setError] = useState("");
  const stop = useRef(new AbortController());
  useEffect(() => {
    let timer = 0;
    const load = () =>
      loadChoices().then(
        (loaded) => {
          setChoices(loaded);
          setError("");
        },
        (failure) => {
          if (failure.status === 401) onUnauthorized();
          else timer = setTimeout(load, RETRY_MILLISECONDS);
          setError(failure.message);
        },
      );
    load();
    return () => {
      clearTimeout(timer);
      stop.current.abort();
    };
  }, []);
  const ask = (fields, strategies) => {
    stop.current.abort();
    stop.current = new AbortController();
    const { signal } = stop.current;
    const started = strategies.map((strategy) => ({ id: createId(), strategy, trace: null, text: null, error: "" }));
    setRuns(started);
    started.forEach((run, place) => {
      const update = (change) => signal.aborted || setRuns((all) => all.map((each, at) => (at === place ? { ...each, ...change } : each)));
      startRun(run, fields, signal, update, started.length > MAX_FOLLOWED);
    });
  };
  return html`
    ${error && html`<p class="error" role="alert">${error}</p>`}
    <${AskForm} choices=${choices} onAsk=${ask} />
    ${runs.length > 1 && html`<${Comparison} runs=${runs} />`}
    <div class="runs" style=${{ "--runs": Math.min(2, Math.max(1, runs.length)) }}>
      ${runs.map((run) => html`<${Run} run=${run} key=${run.id} />`)}
    </div>
  `;
}

/** The models, without those that name a strategy, and the strategies. */
async function loadChoices() {
  const [models, strategies] = await Promise.all([get("v1/models"), get("v1/strategies")]);
  return { models: models.data.map((model) => model.id).filter((id) => !id.includes("@")), strategies: strategies.data };
}

/** Sends one request and follows its trace meanwhile. */
async function startRun({ id, strategy }, fields, signal, update, polls) {
  let isOpen = true;
  const headers = { "X-Request-Id": id };
  const answer = send("v1/chat/completions", { method: "POST", body: { ...fields, strategy }, headers, signal })
    .then((response) => response.json())
    .then(({ choices }) => update({ text: choices?.[0]?.message?.content ?? "" }))
    .finally(() => {
      isOpen = false;
    });
  const trace = watchTrace(id, (grown) => update({ trace: grown }), { signal, mayStart: () => isOpen, polls });
  const [answered, watched] = await Promise.allSettled([answer, trace]);
  const failure = answered.reason ?? watched.reason;
  if (failure && failure.name !== "AbortError") update({ error: failure.message });
}

function Run({ run }) {
  const [error, setError] = useState("");
  return html`
    <section class="run" aria-label=${run.strategy.name}>
      ${(error || run.error) && html`<p class="error" role="alert">${run.strategy.name}: ${error || run.error}</p>`}
      ${run.trace && html`<${TraceView} trace=${run.trace} isAsked=${true} actions=${html`<${Actions} trace=${run.trace} onError=${(failure) => setError(failure.message)} />`} />`}
      ${!run.trace && !run.error && html`<p class="hint">${run.strategy.name} is waiting for its turn …</p>`}
      ${run.text !== null && html`<details class="answer-text"><summary>The answer as it was returned</summary><pre class="text" tabindex="0">${run.text}</pre></details>`}
    </section>
  `;
}
