// One search: the head line, the tree, the vote, the lanes and the inspector, at any moment of it.

import { fold, findDuration } from "./fold.mjs";
import { Head } from "./head.mjs";
import { html } from "./html.mjs";
import { Inspector } from "./inspector.mjs";
import { Lanes } from "./lanes_view.mjs";
import { Slider } from "./slider.mjs";
import { Tree } from "./tree_view.mjs";
import { useMemo, useState } from "./vendor/preact/hooks.mjs";
import { Votes } from "./votes_view.mjs";

/** `actions`: buttons beside the head line. `slider`: whether it is shown once the search has ended. */
export function TraceView({ trace, actions, slider = true, level = 2 }) {
  const [until, setUntil] = useState(null);
  const [selected, setSelected] = useState(null);
  const duration = useMemo(() => findDuration(trace), [trace]);
  const whole = useMemo(() => fold(trace), [trace]);
  const model = useMemo(() => (until === null ? whole : fold(trace, until)), [trace, until]);
  const shown = model.byIndex.has(selected) ? selected : (model.end?.index ?? null);
  const node = model.byIndex.get(shown);
  const canReplay = slider && whole.isOver && duration > 0;
  return html`
    <article class="trace" aria-label=${`Search ${model.id}`}>
      <${Head} model=${model} actions=${actions} level=${level} />
      ${canReplay && html`<${Slider} trace=${trace} duration=${duration} until=${until} onChange=${setUntil} />`}
      <div class="parts">
        <div class="drawing">
          <${Tree} model=${model} selected=${shown} onSelect=${setSelected} level=${level + 1} />
          <${Votes} model=${model} whole=${whole} selected=${shown} onSelect=${setSelected} level=${level + 1} />
          <${Lanes} model=${model} total=${Math.max(duration, model.seconds)} selected=${shown} onSelect=${setSelected} level=${level + 1} />
        </div>
        <${Inspector} model=${model} node=${node} onSelect=${setSelected} level=${level + 1} />
      </div>
    </article>
  `;
}
