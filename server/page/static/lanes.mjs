// A lane for each decode over time. Pure.

const MIN_BAR = 2;
const MAX_HEIGHT = 520;
const LABEL = 34;

/** Bars in `width` pixels, a lane each, in the order in which the decodes started. */
export function layLanes({ nodes, end, seconds }, width, total = seconds) {
  const scale = width / Math.max(total, 1e-6);
  const timed = nodes.filter((node) => node.started !== undefined && node.started !== null);
  timed.sort((a, b) => a.started - b.started || a.index - b.index);
  const pitch = Math.max(2.2, Math.min(14, MAX_HEIGHT / Math.max(1, timed.length)));
  const bars = timed.map((node, lane) => {
    const until = node.ended ?? seconds;
    const x = node.started * scale;
    return { node, x, y: lane * pitch, width: Math.max(MIN_BAR, (until - node.started) * scale), height: pitch > 8 ? pitch - 3 : pitch * 0.8 };
  });
  return { bars, height: Math.max(1, timed.length * pitch), ticks: chooseTicks(total, scale), end: end ? end.at * scale : null };
}

/** At most six round times, with their places. */
export function chooseTicks(total, scale) {
  if (!(total > 0)) return [];
  const rough = total / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough) ?? power * 10;
  const ticks = [];
  for (let at = 0; at * scale <= total * scale - LABEL && ticks.length < 7; at += step) ticks.push({ at: Number(at.toPrecision(6)), x: at * scale });
  return ticks;
}
