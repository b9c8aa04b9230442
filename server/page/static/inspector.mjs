// One decode: its text, its answer as it was read, its scores and its numbers. A model's text is only ever a text node.

import { stepOf } from "./colour.mjs";
import { splitPrompt } from "./cost.mjs";
import { html } from "./html.mjs";
import { formatCount, formatRange, formatScore, formatSeconds, nameNode, shorten } from "./text.mjs";
import { useState } from "./vendor/preact/hooks.mjs";

const CHILDREN = { verifier: "judged by", extraction: "answer read by" };
const PARENTS = { verifier: "judges", extraction: "reads" };

/** `onBack`: leads back to the tree, where the inspector stands below it. */
export function Inspector({ model, node, onSelect, onBack, level }) {
  const [showsPath, setShowsPath] = useState(false);
  if (!node) {
    return html`<aside class="panel inspector" aria-label="Inspector"><p class="hint">Choose a decode to read it.</p></aside>`;
  }
  const path = findPath(model, node);
  const texts = showsPath ? path : [node];
  return html`
    <aside class="panel inspector" aria-label="Inspector">
      <button class="link back" onClick=${onBack}>back to the tree</button>
      <${`h${level}`}>${nameNode(node)} <small>${describeState(node, model)}</small><//>
      <dl class="facts">
        ${listFacts(node, model).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}
        ${node.parent !== null && html`<dt>${PARENTS[node.role] ?? "continues"}</dt><dd><${Link} index=${node.parent} onSelect=${onSelect} /></dd>`}
        ${groupChildren(node).map(([name, children]) => html`<dt>${name}</dt><dd>${children.slice(0, 12).map((child) => html`<${Link} index=${child.index} onSelect=${onSelect} /> `)}${children.length > 12 && "…"}</dd>`)}
      </dl>
      <${Verdicts} node=${node} />
      ${path.length > 1 &&
      html`<label class="switch"><input type="checkbox" checked=${showsPath} onChange=${() => setShowsPath(!showsPath)} /> whole text so far</label>`}
      ${texts.map((one) => html`<pre class=${`text ${one === node ? "" : "before"}`} tabindex="0" aria-label=${`Text of ${nameNode(one)}`}>${readText(one)}</pre>`)}
      ${node.toolCalls?.map((call) => html`<pre class="text">${String(call?.name)} ${String(call?.arguments)}</pre>`)}
    </aside>
  `;
}

function Link({ index, onSelect }) {
  return html`<button class="link" onClick=${() => onSelect(index)}>${index}</button>`;
}

/** What the decodes that follow this one do with it. */
function groupChildren({ children }) {
  const groups = new Map();
  for (const child of children) {
    const name = CHILDREN[child.role] ?? "continued by";
    groups.set(name, [...(groups.get(name) ?? []), child]);
  }
  return [...groups];
}

function readText(node) {
  if (node.text !== null && node.text !== undefined) return node.text === "" ? "(no text)" : node.text;
  return node.state === "running" ? "(is being decoded)" : node.reason ? `(${node.reason})` : "(this trace has no texts)";
}

function describeState(node, model) {
  const word = model.end ? "chosen" : "leading";
  const chosen = model.path.at(-1) === node.index ? word : model.path.includes(node.index) ? `on the ${word} path` : "";
  return [node.state, node.reused ? "reused" : "", chosen].filter(Boolean).join(", ");
}

function listFacts(node, model) {
  const facts = [];
  const verdict = node.role === "verifier" ? findVerdict(node, model) : null;
  if (verdict) facts.push(["score", `${formatScore(verdict.score)} for ${nameNode(model.byIndex.get(node.parent))}`]);
  if (node.vote) facts.push(["answer as read", node.vote.answer === null ? "none: it abstains" : shorten(node.vote.answer, 300)]);
  if (node.vote && node.vote.weight !== null) facts.push(["weight", formatScore(node.vote.weight)]);
  if (node.isDecode) facts.push(["tokens", node.counted ? formatCount(node.tokens) : "not reported"]);
  if (node.depth) facts.push(["depth", `${formatCount(node.depth)} tokens`]);
  if (node.finishReason && node.role !== "verifier") facts.push(["finish reason", node.finishReason]);
  if (node.reason && node.state === "lost") facts.push(["reason", shorten(node.reason, 300)]);
  if (node.logprob !== null && node.logprob !== undefined) facts.push(["mean log-probability", `${formatScore(node.logprob)} (p ${formatScore(Math.exp(node.logprob))})`]);
  if (node.execution) facts.push(["program", `${node.execution.reason} in ${formatSeconds(node.execution.seconds)}`]);
  if (node.promptTokens !== null && node.promptTokens !== undefined) facts.push(["prompt", describePrompt(node, model)]);
  facts.push(["time", formatRange(node.started, node.ended)]);
  if (node.model && node.model !== model.model) facts.push(["model", node.model]);
  if (node.seed !== null) facts.push(["seed", String(node.seed)]);
  return facts;
}

/** The verdict that this decode was for: the first one of its candidate after it. */
function findVerdict(node, { byIndex }) {
  const verdicts = byIndex.get(node.parent)?.verdicts.filter((verdict) => verdict.score !== null) ?? [];
  return verdicts.find((verdict) => verdict.at >= node.ended) ?? null;
}

function describePrompt(node, model) {
  const { earlier, shared, first, fresh } = splitPrompt(node, model);
  const parts = [`${formatCount(node.promptTokens)} tokens`];
  if (earlier) parts.push(`${formatCount(earlier)} of them decoded earlier in this search`);
  if (shared) parts.push(`${shared === node.promptTokens ? "all" : formatCount(shared)} shared with ${nameNode(first)}`);
  if (fresh && (earlier || shared)) parts.push(`${formatCount(fresh)} new`);
  const cached = node.cachedTokens ? ` (${formatCount(node.cachedTokens)} from the engine's cache)` : "";
  return `${parts.join(", ")}${cached}`;
}

function Verdicts({ node }) {
  if (!node.verdicts.length) return null;
  return html`
    <ul class="verdicts">
      ${node.verdicts.map(
        (verdict) => html`<li>
          <span class=${`dot ${verdict.score === null ? "plain" : `score-${stepOf(verdict.score)}`}`}></span>
          ${verdict.score === null ? "verdict lost" : `score ${formatScore(verdict.score)}`}${verdict.verifier ? ` by ${verdict.verifier}` : ""}
          ${verdict.steps.length > 1 && html`<${Steps} steps=${verdict.steps} />`}
        </li>`,
      )}
    </ul>
  `;
}

function Steps({ steps }) {
  const shown = steps.slice(-48);
  return html`<span class="steps" role="img" aria-label=${`scores by step: ${shown.map(formatScore).join(", ")}`}>
    ${shown.map((score) => html`<i class=${`score-${stepOf(score)}`} title=${formatScore(score)} style=${{ height: `${Math.max(2, 18 * score)}px` }}></i>`)}
  </span>`;
}

function findPath({ byIndex }, node) {
  const path = [];
  for (let at = node; at; at = byIndex.get(at.parent)) path.unshift(at);
  return path;
}
