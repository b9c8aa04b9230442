// The head line: the answer, why it is the answer, and what it cost.

import { html } from "./html.mjs";
import { explain } from "./explain.mjs";
import { isCandidate } from "./fold.mjs";
import { isStepwise } from "./solutions.mjs";
import { describeFinished, formatCount, formatPercent, formatSeconds, shorten } from "./text.mjs";

export function Head({ model, actions, level }) {
  const { end, leaders, isOver, status, strategy } = model;
  const answer = end?.answer ?? leaders.at(-1)?.answer ?? null;
  const title = answer === null ? describeNone(isOver, status) : shorten(answer, 160);
  return html`
    <header class="head">
      <div class="line">
        <p class="what">
          <strong>${strategy}</strong> ${describeOptions(model)} on <strong>${model.model}</strong>
          ${model.seed !== null && html` · seed ${model.seed}`} · <code>${model.id}</code>
        </p>
        <div class="actions">${actions}</div>
      </div>
      ${model.question && html`<p class="asked">${shorten(model.question, 300)}</p>`}
      <${`h${level}`} class="answer" tabindex="-1" aria-live="polite">
        <span class=${`state ${isOver ? (status === "running" ? "completed" : status) : "running"}`}>
          ${isOver ? (end?.stopped ?? status) : "running"}
        </span>
        <span class=${`value ${title.length > 40 ? "long" : ""}`}>${title}</span>
      <//>
      <p class="why">${explain(model).join(" ")}</p>
      <${Figures} model=${model} />
    </header>
  `;
}

function describeNone(isOver, status) {
  if (!isOver) return "…";
  return status === "cached" ? "From the cache" : "No answer was read";
}

const SHOWN_OPTIONS = ["n", "method", "stop_rule", "verifier", "weights", "width", "max_steps", "loops", "rounds", "max_thinking"];

function describeOptions({ options }) {
  const shown = SHOWN_OPTIONS.filter((name) => !["", "none", null, undefined].includes(options[name]));
  return shown.slice(0, 4).map((name) => `${name} ${shorten(options[name], 24)}`).join(" · ");
}

function Figures({ model }) {
  const { tokens, nodes, end, leaders, estimate, seconds, isOver, solutions } = model;
  const name = isStepwise(model) ? "steps" : "candidates";
  const agreement = end?.agreement ?? leaders.at(-1)?.agreement;
  return html`
    <dl class="figures">
      <${Figure} name="agreement" value=${formatPercent(agreement)} />
      <${Figure} name="finished" value=${formatCount(tokens.kept)} unit="tokens" note="decoded to the end, chosen or not" />
      <${Figure} name="aborted" value=${formatCount(tokens.aborted)} unit="tokens" note="in decodes that were stopped" />
      <${Figure} name="verdicts" value=${formatCount(tokens.verifier)} unit="tokens" note="decoded for verdicts, or read by a reward model" />
      <${Figure} name="prompt" value=${formatCount(tokens.prompt)} unit="tokens" note="each distinct prompt once" />
      <${Figure} name="cached" value=${formatCount(tokens.cached)} unit="of prompt" note="from the engine's prefix cache" />
      <${Figure} name="depth" value=${formatCount(tokens.depth)} unit="tokens" note="decoded one after another: the latency in tokens" />
      <${Figure} name=${name} value=${describeFinished(nodes.filter(isCandidate), isOver)} note="finished: ran to their end" />
      ${solutions && html`<${Figure} name="solutions" value=${formatCount(solutions.list.length)} note="complete, from the first step to the last" />`}
      <${Figure} name="time" value=${formatSeconds(seconds)} />
      ${estimate && html`<${Figure} name=${`all ${estimate.n} (estimate)`} value=${formatCount(estimate.tokens)} unit="tokens" note="those that ran, and the mean for the rest" />`}
      ${tokens.uncounted > 0 && html`<${Figure} name="uncounted" value=${tokens.uncounted} unit="decodes" note="the engine did not report their tokens" />`}
      ${tokens.reused > 0 && html`<${Figure} name="reused" value=${formatCount(tokens.reused)} unit="tokens" note="of an earlier search's samples: not paid again" />`}
    </dl>
  `;
}

function Figure({ name, value, unit, note }) {
  return html`<div title=${note}>
    <dt>${name}</dt>
    <dd>${value}${unit && html` <small>${unit}</small>`}</dd>
  </div>`;
}
