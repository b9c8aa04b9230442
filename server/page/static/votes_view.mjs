// The vote: a bar for each answer, with the line where the stop rule decided, and the votes as they came.

import { colourClass, colourNode, usesScores } from "./colour.mjs";
import { html } from "./html.mjs";
import { formatPercent, formatScore, shorten } from "./text.mjs";
import { weigh } from "./votes.mjs";

const MAX_BARS = 8;

export function Votes({ model, latest, selected, onSelect, level }) {
  const { votes } = model;
  const byScore = usesScores(latest);
  const colour = (node) => (byScore ? colourNode(node, model, true) : colourClass(votes.byGroup.get(node.vote.group)));
  if (!latest.votes.classes.length || latest.votes.order.length < 2) return null;
  const widest = Math.max(...latest.votes.classes.map((one) => one.weight), 1e-9);
  const hidden = votes.classes.length - MAX_BARS;
  return html`
    <section class="panel votes">
      <${`h${level}`}>${latest.votes.decides ? "Vote" : "Answers"} <small>${describeMark(model)}</small><//>
      <ol class=${`bars ${votes.mark ? "decided" : ""}`}>
        ${votes.classes.slice(0, MAX_BARS).map((one, rank) => html`<${Bar} one=${one} votes=${votes} widest=${widest} leads=${rank === 0} colour=${colour} end=${model.end} selected=${selected} onSelect=${onSelect} />`)}
        ${hidden > 0 && html`<li class="rest">and ${hidden} more answers</li>`}
      </ol>
      <${Ballots} model=${model} colour=${colour} selected=${selected} onSelect=${onSelect} />
    </section>
  `;
}

function Bar({ one, votes, widest, leads, colour, end, selected, onSelect }) {
  const isDecided = votes.mark && (votes.chosen === null ? leads : one.group === votes.chosen);
  const value = votes.isWeighted ? `${formatScore(one.weight)} · ${formatPercent(one.share)}` : String(one.members.length);
  return html`
    <li class=${one.group === votes.chosen ? "chosen" : ""}>
      <span class="name" title=${shorten(one.answer, 400)}>${shorten(one.answer, 28)}</span>
      <span class="track">
        ${one.members.map(
          (node) => html`<button tabindex="-1" class=${`vote ${colour(node)} ${frame(node, end, selected)}`} title=${`candidate ${node.index}`}
            aria-label=${`candidate ${node.index}`} onClick=${() => onSelect(node.index)} style=${{ width: `${(100 * weigh(node)) / widest}%` }}></button>`,
        )}
        ${isDecided && html`<span class="mark" style=${{ left: `${(100 * votes.mark.weight) / widest}%` }}><span>decided</span></span>`}
      </span>
      <span class="total">${value}</span>
    </li>
  `;
}

function frame({ index }, end, selected) {
  return `${index === end?.index ? "chosen" : ""} ${index === selected ? "selected" : ""}`;
}

function describeMark({ votes, options, end }) {
  if (!votes.decides) return end ? "as read; they are not counted" : "as read so far";
  if (!votes.mark) return end ? "" : "so far";
  const limit = Number.isInteger(options.n) ? ` of at most ${options.n}` : "";
  return `decided after ${votes.order.length}${limit}`;
}

/** Votes in the order in which they came, then the line, then the candidates that no longer counted. */
function Ballots({ model, colour, selected, onSelect }) {
  const { votes, options, isOver, end } = model;
  const isOpen = Number.isInteger(options.n) && end?.stopped !== "completed";
  const open = isOpen ? Math.max(0, options.n - votes.order.length) : 0;
  return html`
    <div class="ballots" role="img" aria-label=${`${votes.order.length} votes in the order in which they came`}>
      ${votes.order.map((node) => {
        const look = node.vote.group === null ? "abstains" : colour(node);
        return html`<i class=${`${look} ${frame(node, end, selected)}`} title=${shorten(node.vote.answer ?? "abstains", 80)} onClick=${() => onSelect(node.index)}></i>`;
      })}
      ${isOver && open > 0 && html`<b title="the search ended here"></b>`}
      ${Array.from({ length: open }, () => html`<i class="open"></i>`)}
    </div>
  `;
}
