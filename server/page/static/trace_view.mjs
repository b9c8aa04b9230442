// One search: the head line, the tree, the vote, the lanes and the inspector, at any moment of it.

import { keepLook } from "./colour.mjs";
import { fold, findDuration } from "./fold.mjs";
import { Head } from "./head.mjs";
import { html } from "./html.mjs";
import { Inspector } from "./inspector.mjs";
import { Lanes } from "./lanes_view.mjs";
import { Slider } from "./slider.mjs";
import { Tree } from "./tree_view.mjs";
import { useEffect, useMemo, useRef, useState } from "./vendor/preact/hooks.mjs";
import { Votes } from "./votes_view.mjs";

const TICK_MILLISECONDS = 250;

/** `actions`: buttons beside the head line. `isAsked`: whether the question stands above it already. */
export function TraceView({ trace, actions, isAsked = false, level = 2 }) {
  const [until, setUntil] = useState(null);
  const [selected, setSelected] = useState(null);
  const duration = useMemo(() => findDuration(trace), [trace]);
  const latest = useMemo(() => fold(trace), [trace]);
  const moment = useClock(trace, duration) ?? until;
  const model = useMemo(() => (moment === null ? latest : keepLook(fold(trace, moment), latest)), [trace, moment]);
  const shown = model.byIndex.has(selected) ? selected : (model.path.at(-1) ?? null);
  const node = model.byIndex.get(shown);
  const article = useRef(null);
  const open = (index) => {
    setSelected(index);
    showInspector(article.current);
  };
  const canReplay = latest.isOver && duration > 0;
  return html`
    <article class="trace" ref=${article} aria-label=${`Search ${model.id}`}>
      <${Head} model=${isAsked ? { ...model, question: null } : model} actions=${actions} level=${level} />
      ${canReplay && html`<${Slider} trace=${trace} duration=${duration} until=${until} onChange=${setUntil} />`}
      <div class="parts">
        <div class="drawing">
          <${Tree} model=${model} selected=${shown} onSelect=${setSelected} onOpen=${open} level=${level + 1} />
          <${Votes} model=${model} latest=${latest} selected=${shown} onSelect=${setSelected} level=${level + 1} />
          <${Lanes} model=${model} total=${Math.max(duration, model.seconds)} selected=${shown} onOpen=${open} level=${level + 1} />
        </div>
        <${Inspector} model=${model} node=${node} onSelect=${setSelected} onBack=${() => showTree(article.current)} level=${level + 1} />
      </div>
    </article>
  `;
}

/** Scrolls to the inspector where it stands below the tree, as on a phone. */
function showInspector(article) {
  const [tree, inspector] = [article.querySelector(".tree"), article.querySelector(".inspector")];
  if (inspector.getBoundingClientRect().left < tree.getBoundingClientRect().right) inspector.scrollIntoView({ block: "start" });
}

function showTree(article) {
  const node = article.querySelector(".node.selected") ?? article.querySelector(".tree");
  node.scrollIntoView({ block: "center" });
  node.focus({ preventScroll: true });
}

/** The seconds of a running search, which go on between its events; null once it has ended. */
function useClock(trace, duration) {
  const [now, setNow] = useState(0);
  const isRunning = trace.receivedAt !== undefined;
  useEffect(() => {
    if (!isRunning) return undefined;
    const timer = setInterval(() => setNow(performance.now()), TICK_MILLISECONDS);
    return () => clearInterval(timer);
  }, [isRunning]);
  return isRunning ? duration + Math.max(0, now - trace.receivedAt) / 1000 : null;
}
