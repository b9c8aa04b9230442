// A lane a decode over time: what ran beside what, and where it was aborted.

import { colourNode, usesScores } from "./colour.mjs";
import { HATCH } from "./hatch.mjs";
import { html, useWidth } from "./html.mjs";
import { layLanes } from "./lanes.mjs";
import { describeNode, formatSeconds } from "./text.mjs";
import { useMemo } from "./vendor/preact/hooks.mjs";

const AXIS = 20;

export function Lanes({ model, total, selected, onOpen, level }) {
  const [ref, width] = useWidth();
  const lanes = useMemo(() => layLanes(model, Math.max(160, width - 14), total), [model, width, total]);
  const byScore = usesScores(model);
  const path = new Set(model.path);
  const click = (event) => {
    const target = event.target.closest("[data-lane]");
    if (target) onOpen(Number(target.dataset.lane));
  };
  const name = ({ node, height }) => ["lane", height < 6 && "thin", node.role, node.state, colourNode(node, model, byScore), path.has(node.index) && "chosen", node.index === selected && "selected"].filter(Boolean).join(" ");
  return html`
    <section class="panel lanes">
      <${`h${level}`}>Time <small>${formatSeconds(model.seconds)}</small><//>
      <div ref=${ref}>
        <svg width=${Math.max(width, 1)} height=${lanes.height + AXIS} role="img" aria-label=${describeLanes(model)} onClick=${click}>
          ${lanes.ticks.map((tick) => html`<g class="tick"><path d=${`M${tick.x + 0.5} 0V${lanes.height + 3}`} /><text x=${tick.x} y=${lanes.height + 15}>${formatSeconds(tick.at)}</text></g>`)}
          ${lanes.bars.map(
            (bar) => html`<g class=${name(bar)} data-lane=${bar.node.index}>
              <title>${describeNode(bar.node)}</title>
              <rect class="bar" x=${bar.x} y=${bar.y} width=${bar.width} height=${bar.height} rx="1.5" style=${name(bar).includes("unscored") ? { fill: HATCH } : {}} />
              ${bar.node.index === selected && html`<rect class="frame" x=${bar.x - 1.5} y=${bar.y - 1.5} width=${bar.width + 3} height=${bar.height + 3} />`}
              ${bar.node.state === "aborted" && bar.height > 5 && html`<path class="cut" d=${drawCross(bar)} />`}
            </g>`,
          )}
          ${lanes.end !== null && html`<path class="end" d=${`M${lanes.end} 0V${lanes.height + 3}`} />`}
        </svg>
      </div>
    </section>
  `;
}

function describeLanes({ nodes, seconds }) {
  const aborted = nodes.filter((node) => node.state === "aborted").length;
  return `${nodes.length} decodes over ${formatSeconds(seconds)}, ${aborted} aborted`;
}

function drawCross({ x, y, width, height }) {
  const [right, half] = [x + width + 5, height / 2];
  return `M${right - 2.5} ${y + half - 2.5}l5 5m0 -5l-5 5`;
}
