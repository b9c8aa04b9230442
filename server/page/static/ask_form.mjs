// The form of a question: model, seed, and strategies with the options of their JSON schemas.

import { html } from "./html.mjs";
import { listFields, readOption } from "./options.mjs";
import { useState } from "./vendor/preact/hooks.mjs";

const MAX_STRATEGIES = 4;
const FIRST = [
  { name: "chain_of_thought", options: {} },
  { name: "self_consistency", options: {} },
];

export function AskForm({ choices, onAsk }) {
  const [picks, setPicks] = useState(FIRST);
  const change = (place, pick) => setPicks(picks.map((each, at) => (at === place ? pick : each)));
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const fields = readFields(form);
    onAsk(fields, picks.map(({ name, options }) => ({ name, ...options })));
  };
  const submitByKey = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit();
  };
  return html`
    <form class="ask" onSubmit=${submit}>
      <label class="question">
        <span>Question</span>
        <textarea name="question" rows="3" required maxlength="100000" onKeyDown=${submitByKey}>What is 13 + 29?</textarea>
      </label>
      <div class="row">
        <label>model <select name="model">${choices.models.map((id) => html`<option value=${id}>${id}</option>`)}</select></label>
        <label>seed <input name="seed" type="number" step="1" defaultValue="1" /></label>
        <label>temperature <input name="temperature" type="number" min="0" max="2" step="any" placeholder="the model's" /></label>
        <label>max tokens <input name="max_tokens" type="number" min="1" step="1" placeholder="no limit" /></label>
        <label class="switch"><input name="cache" type="checkbox" /> take a cached answer</label>
      </div>
      <div class="picks">
        ${picks.map(
          (pick, place) => html`<${Pick} key=${place} pick=${pick} cards=${choices.strategies} onChange=${(next) => change(place, next)}
            onRemove=${picks.length > 1 ? () => setPicks(picks.filter((_, at) => at !== place)) : null} />`,
        )}
        ${picks.length < MAX_STRATEGIES && html`<button type="button" class="quiet add" onClick=${() => setPicks([...picks, { name: "best_of_n", options: {} }])}>+ strategy</button>`}
      </div>
      <button class="primary" disabled=${!choices.models.length}>Ask</button> <small class="hint">Ctrl Enter</small>
    </form>
  `;
}

function readFields(form) {
  const number = (name) => (form.get(name) === "" ? {} : { [name]: Number(form.get(name)) });
  return {
    model: form.get("model"),
    messages: [{ role: "user", content: form.get("question") }],
    cache: form.get("cache") ? "default" : "no-store",
    ...number("seed"),
    ...number("temperature"),
    ...number("max_tokens"),
  };
}

function Pick({ pick, cards, onChange, onRemove }) {
  const card = cards.find((each) => each.name === pick.name);
  const { main, rest } = listFields(card?.schema);
  const set = (name, value) => {
    const { [name]: _, ...unchanged } = pick.options;
    onChange({ ...pick, options: value === undefined ? unchanged : { ...unchanged, [name]: value } });
  };
  const field = (option) => html`<${Field} key=${`${pick.name} ${option.name}`} option=${option} value=${pick.options[option.name]} onChange=${(value) => set(option.name, value)} />`;
  return html`
    <fieldset class="pick">
      <legend>
        <select aria-label="strategy" value=${pick.name} onChange=${(event) => onChange({ name: event.target.value, options: {} })}>
          ${cards.map((each) => html`<option value=${each.name} selected=${each.name === pick.name}>${each.name}</option>`)}
        </select>
        ${onRemove && html`<button type="button" class="quiet" aria-label=${`Remove ${pick.name}`} onClick=${onRemove}>×</button>`}
      </legend>
      <p class="hint">${card?.summary}</p>
      <div class="row">${main.map(field)}</div>
      ${rest.length > 0 && html`<details><summary>${rest.length} more options</summary><div class="row">${rest.map(field)}</div></details>`}
    </fieldset>
  `;
}

function Field({ option, value, onChange }) {
  const { name, kind, choices, note, fallback, min, max } = option;
  const change = (event) => onChange(readOption(option, event.target.value));
  const text = value === undefined ? "" : String(value);
  if (kind === "choice") {
    return html`<label title=${note}>${name}
      <select value=${text} onChange=${change}>
        <option value="">${fallback}</option>
        ${choices.map((choice) => html`<option value=${choice} selected=${choice === text}>${choice}</option>`)}
      </select>
    </label>`;
  }
  const type = kind === "text" ? "text" : "number";
  const step = kind === "integer" ? "1" : "any";
  return html`<label title=${note}>${name} <input type=${type} step=${step} min=${min} max=${max} value=${text} placeholder=${fallback} onChange=${change} /></label>`;
}
