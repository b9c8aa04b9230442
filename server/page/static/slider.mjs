// The slider of a replay: any moment of a search, event by event or played.

import { html } from "./html.mjs";
import { formatSeconds } from "./text.mjs";
import { useEffect, useMemo, useRef, useState } from "./vendor/preact/hooks.mjs";

const MIN_PLAY_SECONDS = 4;
const MAX_PLAY_SECONDS = 20;

/** `until`: the moment in seconds; null: the end. */
export function Slider({ trace, duration, until, onChange }) {
  const [plays, setPlays] = useState(false);
  const moments = useMemo(() => [...new Set(trace.events.map((event) => event?.at).filter(Number.isFinite))].sort((a, b) => a - b), [trace]);
  const at = until ?? duration;
  usePlay(plays, at, duration, onChange, () => setPlays(false));
  const move = (moment) => {
    setPlays(false);
    onChange(moment >= duration ? null : moment);
  };
  const toggle = () => {
    if (!plays && at >= duration) onChange(0);
    setPlays(!plays);
  };
  return html`
    <div class="slider" role="group" aria-label="Replay">
      <button onClick=${toggle} aria-pressed=${plays}>${plays ? "Pause" : "Play"}</button>
      <button class="quiet" aria-label="Previous event" onClick=${() => move(moments.findLast((moment) => moment < at) ?? 0)}>‹</button>
      <input type="range" min="0" max=${duration} step="any" value=${at} aria-label="Moment of the search" aria-valuetext=${formatSeconds(at)}
        onInput=${(event) => move(Number(event.target.value))} />
      <button class="quiet" aria-label="Next event" onClick=${() => move(moments.find((moment) => moment > at) ?? duration)}>›</button>
      <output>${formatSeconds(at)} <small>of ${formatSeconds(duration)}</small></output>
    </div>
  `;
}

/** Moves through the search in its own time, within limits; in larger jumps where motion is to be reduced. */
function usePlay(plays, at, duration, onChange, onEnd) {
  const place = useRef(at);
  place.current = at;
  useEffect(() => {
    if (!plays) return undefined;
    const speed = duration / Math.min(MAX_PLAY_SECONDS, Math.max(MIN_PLAY_SECONDS, duration));
    const pause = matchMedia("(prefers-reduced-motion: reduce)").matches ? 500 : 40;
    let last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      const moment = place.current + ((now - last) / 1000) * speed;
      last = now;
      onChange(moment >= duration ? null : moment);
      if (moment >= duration) onEnd();
    }, pause);
    return () => clearInterval(timer);
  }, [plays, duration]);
}
