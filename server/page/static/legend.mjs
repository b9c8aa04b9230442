// What colours and strokes mean.

import { isUnscored, SCORE_STEPS } from "./colour.mjs";
import { html } from "./html.mjs";

export function Legend({ model, byScore, kind }) {
  const has = (state) => model.nodes.some((node) => node.state === state);
  return html`
    <ul class="legend">
      <li>width: tokens</li>
      ${byScore &&
      html`<li>
        score 0
        <span class="ramp" aria-hidden="true">${Array.from({ length: SCORE_STEPS }, (_, step) => html`<i class=${`score-${step}`}></i>`)}</span> 1
      </li>`}
      ${!byScore && model.votes.classes.length > 0 && html`<li>colour: answer</li>`}
      ${byScore && model.nodes.some(isUnscored) && html`<li><i class="swatch unscored"></i> not scored</li>`}
      ${model.nodes.some((node) => node.role === "verifier") && html`<li><i class="swatch verdict"></i> verdict</li>`}
      ${has("aborted") && html`<li><i class="swatch aborted"></i> aborted</li>`}
      ${has("lost") && html`<li><i class="swatch lost"></i> lost</li>`}
      ${has("dropped") && html`<li><i class="swatch dropped"></i> never decoded</li>`}
      ${has("running") && html`<li><i class="swatch running"></i> running</li>`}
      ${model.path.length > 0 && html`<li><i class="swatch chosen"></i> ${model.end ? "chosen" : "leading"}${kind === "tree" ? " path" : ""}</li>`}
      <li><i class="swatch selected"></i> selected</li>
    </ul>
  `;
}
