// The tree, or the columns of a vote, in SVG: a node a decode.

import { colourNode, usesScores } from "./colour.mjs";
import { HATCH } from "./hatch.mjs";
import { html, useWidth } from "./html.mjs";
import { findNeighbour, layOut } from "./layout.mjs";
import { Legend } from "./legend.mjs";
import { describeNode, describeProgress, formatPercent, shorten } from "./text.mjs";
import { useMemo } from "./vendor/preact/hooks.mjs";

const ARROWS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]);
const LETTER = 7;

export function Tree({ model, selected, onSelect, onOpen, level }) {
  const [ref, width] = useWidth();
  const layout = useMemo(() => layOut(model, Math.max(200, width)), [model, width]);
  const byScore = usesScores(model);
  const path = new Set(model.path);
  const focused = layout.boxes.has(selected) ? selected : layout.boxes.keys().next().value;
  const press = (event) => {
    if (!ARROWS.has(event.key)) return;
    event.preventDefault();
    const index = findNeighbour(layout, focused, event.key);
    onSelect(index);
    event.currentTarget.querySelector(`[data-index="${index}"]`)?.focus();
  };
  const choose = (act) => (event) => {
    const target = event.target.closest("[data-index]");
    if (target) act(Number(target.dataset.index));
  };
  return html`
    <section class="panel tree">
      <${`h${level}`}>${layout.kind === "tree" ? "Search" : "Candidates by answer"} <small>${describeProgress(model.nodes, model.isOver)}</small><//>
      <${Legend} model=${model} byScore=${byScore} kind=${layout.kind} />
      <div class="scroll" ref=${ref}>
        <svg width=${Math.max(layout.width, 1)} height=${Math.max(layout.height, 24)} role="tree" aria-label="Decodes of the search; arrow keys move"
          onKeyDown=${press} onClick=${choose(onOpen)} onFocusIn=${choose(onSelect)}>
          ${layout.links.map((link) => html`<path class=${`edge ${path.has(link.to.node.index) ? "chosen" : ""}`} d=${drawLink(link)} />`)}
          ${layout.headings.map((heading) => html`<${Heading} heading=${heading} votes=${model.votes} />`)}
          ${[...layout.boxes.values()].map(
            (box) => html`<${Node} box=${box} colour=${colourNode(box.node, model, byScore)} chosen=${path.has(box.node.index) && (model.end ? "chosen" : "leading")}
              selected=${box.node.index === selected} focused=${box.node.index === focused} />`,
          )}
        </svg>
      </div>
    </section>
  `;
}

function Node({ box, colour, chosen, selected, focused }) {
  const { node, x, y, width, height } = box;
  const names = ["node", node.role, node.state, colour, chosen && "chosen", selected && "selected"].filter(Boolean).join(" ");
  const fill = colour.includes("unscored") ? { fill: HATCH } : {};
  const label = `${describeNode(node)}${chosen ? `, ${chosen}` : ""}`;
  return html`
    <g class=${names} role="treeitem" data-index=${node.index} data-decode=${node.isDecode ? node.index : null} tabindex=${focused ? 0 : -1}
      aria-label=${label} aria-level=${node.level} aria-selected=${selected}>
      <title>${label}</title>
      <rect class="hit" x=${x - 2} y=${y - 2} width=${width + 4} height=${height + 4} />
      <rect class="bar" x=${x} y=${y} width=${width} height=${height} rx=${Math.min(3, height / 3)} style=${fill} />
    </g>
  `;
}

function Heading({ heading, votes }) {
  const { one, text, x, y, width } = heading;
  const count = one ? ` · ${one.members.length}${votes.isWeighted ? ` · ${formatPercent(one.share)}` : ""}` : "";
  const label = shorten(text, Math.max(4, Math.floor(width / LETTER) - count.length));
  return html`<text class=${`heading ${one && one.group === votes.chosen ? "chosen" : ""}`} x=${x} y=${y}>${label}<tspan class="count">${count}</tspan></text>`;
}

function drawLink({ from, to }) {
  const [x1, y1] = [from.x + from.width, from.y + from.height / 2];
  const [x2, y2] = [to.x, to.y + to.height / 2];
  const middle = (x1 + x2) / 2;
  return `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
}
