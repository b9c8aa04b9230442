// Words and numbers of the page. Pure.

export function formatCount(value) {
  return value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en-US");
}

export function formatSeconds(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0 s";
  if (value < 0.0995) return `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms`;
  return value < 100 ? `${value.toFixed(value < 10 ? 2 : 1)} s` : `${Math.round(value)} s`;
}

/** A range of seconds, in the unit of its end. */
export function formatRange(from, to) {
  if (to === null || to === undefined) return `since ${formatSeconds(from)}`;
  const [digits, unit] = formatSeconds(to).split(" ");
  const places = digits.split(".")[1]?.length ?? 0;
  return `${(from * (unit === "ms" ? 1000 : 1)).toFixed(places)} to ${digits} ${unit}`;
}

export function formatScore(value) {
  return value === null || value === undefined ? "–" : Number(value.toFixed(3)).toString();
}

export function formatPercent(value) {
  return value === null || value === undefined ? "–" : `${Math.round(value * 100)} %`;
}

export function shorten(text, length) {
  const line = String(text ?? "").replace(/\s+/g, " ").trim();
  const letters = [...line.slice(0, 4 * length)];
  return letters.length > length ? `${letters.slice(0, Math.max(1, length - 1)).join("")}…` : line;
}

export function plural(count, one, many = `${one}s`) {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** How many decodes have ended, and how many run. */
export function describeProgress(nodes, isOver) {
  const ended = nodes.filter((node) => node.isDecode).length;
  return isOver ? plural(ended, "decode") : `${formatCount(ended)} done, ${formatCount(countRunning(nodes))} running`;
}

/** How many of the candidates, or of the steps, ran to their ends. */
export function describeFinished(nodes, isOver) {
  const finished = nodes.filter((node) => node.state === "done").length;
  if (!isOver) return `${formatCount(finished)} done, ${formatCount(countRunning(nodes))} running`;
  const started = nodes.filter((node) => node.state !== "dropped").length;
  return finished < started ? `${formatCount(finished)} finished of ${formatCount(started)} started` : formatCount(finished);
}

function countRunning(nodes) {
  return nodes.filter((node) => node.state === "running").length;
}

export function findVerifier({ verdicts }) {
  return verdicts.findLast((verdict) => verdict.verifier)?.verifier ?? null;
}

/** What the window is called while it shows a search. */
export function nameWindow({ id, answer, status }) {
  const first = typeof answer === "string" ? answer : status === "completed" ? "no answer" : status;
  return [shorten(first, 30), shorten(id, 12), "Cogitate"].filter(Boolean).join(" · ");
}

export function formatAge(seconds) {
  if (seconds < 1.5) return "now";
  return seconds < 100 ? `${Math.round(seconds)} s ago` : `${Math.round(seconds / 60)} min ago`;
}

export function nameNode({ role, index }) {
  return `${role === "verifier" ? "verdict" : role} ${index}`;
}

export function describeNode(node) {
  const parts = [nameNode(node)];
  parts.push(node.state === "running" ? "running" : `${plural(node.tokens, "token")}, ${node.state}`);
  if (node.vote) parts.push(node.vote.answer === null ? "abstains" : `answer ${shorten(node.vote.answer, 60)}`);
  if (node.score !== null) parts.push(`score ${formatScore(node.score)}`);
  return parts.join(", ");
}

export function capitalise(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
