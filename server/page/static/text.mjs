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

export function describeNode(node) {
  const parts = [`${node.role} ${node.index}`];
  parts.push(node.state === "running" ? "running" : `${plural(node.tokens, "token")}, ${node.state}`);
  if (node.vote) parts.push(node.vote.answer === null ? "abstains" : `answer ${shorten(node.vote.answer, 60)}`);
  if (node.score !== null) parts.push(`score ${formatScore(node.score)}`);
  return parts.join(", ");
}

export function capitalise(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
