// What each of several strategies answered and cost.

import { fold } from "./fold.mjs";
import { breakName, html } from "./html.mjs";
import { formatCount, formatPercent, formatSeconds, shorten } from "./text.mjs";

export function Comparison({ runs }) {
  const rows = runs.map((run) => ({ run, model: run.trace && fold(run.trace) }));
  const most = Math.max(1, ...rows.map(({ model }) => model?.tokens.completion ?? 0));
  return html`
    <div class="scroll">
      <table class="comparison">
        <caption>Side by side</caption>
        <thead>
          <tr><th>strategy</th><th>answer</th><th class="number wide">agreement</th><th class="number">decoded</th><th class="meter" aria-hidden="true"></th><th class="number">depth</th><th class="number">time</th></tr>
        </thead>
        <tbody>
          ${rows.map(({ run, model }) => html`<${Row} run=${run} model=${model} most=${most} />`)}
        </tbody>
      </table>
    </div>
  `;
}

function Row({ run, model, most }) {
  const best = model?.end ?? model?.leaders.at(-1);
  const tokens = model?.tokens.completion ?? 0;
  return html`
    <tr>
      <th scope="row">${breakName(run.strategy.name)}${run.strategy.n ? ` · n ${run.strategy.n}` : ""}</th>
      <td>${best?.answer != null ? shorten(best.answer, 40) : "–"}${model && !model.isOver && " …"}</td>
      <td class="number wide">${formatPercent(best?.agreement)}</td>
      <td class="number">${formatCount(tokens)}</td>
      <td class="meter" aria-hidden="true"><i style=${{ width: `${(100 * (tokens - (model?.tokens.aborted ?? 0))) / most}%` }}></i>${model?.tokens.aborted > 0 && html`<i class="aborted" style=${{ width: `${(100 * model.tokens.aborted) / most}%` }}></i>`}</td>
      <td class="number">${formatCount(model?.tokens.depth)}</td>
      <td class="number">${formatSeconds(model?.seconds)}</td>
    </tr>
  `;
}
