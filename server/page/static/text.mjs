// Words and numbers of the page. Pure.

export const STOPPED = {
  completed: "every candidate ran to its end",
  decided: "the rest was not needed",
  deadline: "the time limit was reached",
  budget: "the token budget was spent",
  asked: "somebody asked for the answer",
  draining: "the server was shutting down",
};

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
  return value === null || value === undefined ? "–" : `${Math.round(value * 100)}%`;
}

export function shorten(text, length) {
  const line = String(text ?? "").replace(/\s+/g, " ").trim();
  const letters = [...line.slice(0, 4 * length)];
  return letters.length > length ? `${letters.slice(0, Math.max(1, length - 1)).join("")}…` : line;
}

/** A name that a narrow column may break after its underscores. */
export function breakName(name) {
  return String(name).replaceAll("_", "_\u200b");
}

export function plural(count, one, many = `${one}s`) {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** Why the search gave this answer, and what it cost: two sentences. */
export function explain(model) {
  return [explainAnswer(model), explainCost(model)].filter(Boolean);
}

function explainAnswer(model) {
  const { end, leaders, votes, isOver, status } = model;
  if (isOver && !end) return status === "cached" ? "The answer came from the cache: nothing was decoded." : `The search ended without an answer: ${status}.`;
  const { answer, agreement, score } = end ?? leaders.at(-1) ?? {};
  const parts = [];
  if (votes.classes.length && agreement !== null && agreement !== undefined) parts.push(explainVote(votes, model, answer, agreement));
  const verifier = findVerifier(model);
  if (score !== null && score !== undefined && verifier) parts.push(explainScore(model, score, verifier));
  if (!end) return parts.length ? `So far: ${parts.join("; ")}.` : "The search is running.";
  parts.push(explainEnd(model));
  return `${capitalise(parts.join("; "))}.`;
}

function explainEnd({ end, votes, options }) {
  if (end.stopped !== "decided" || !votes.mark || !options.stop_rule) return STOPPED[end.stopped] ?? "the search ended";
  const limit = Number.isInteger(options.n) ? ` of at most ${options.n}` : "";
  return `the stop rule ${options.stop_rule} decided after ${votes.order.length}${limit}`;
}

function explainScore({ nodes }, score, verifier) {
  const scores = nodes.map((node) => node.score).filter((each) => each !== null);
  const isHighest = scores.length > 1 && scores.every((each) => each <= score + 1e-6);
  return `score ${formatScore(score)} by ${verifier}${isHighest ? `, the highest of ${scores.length}` : ""}`;
}

/** A strategy may vote in rounds, or over copies: then its agreement is not the share of all answers. */
function explainVote(votes, { end }, answer, agreement) {
  const leader = votes.classes.find((one) => one.group === votes.chosen) ?? votes.classes.find((one) => one.answer === answer) ?? votes.classes[0];
  const cast = votes.order.length;
  if (!votes.isWeighted && Math.abs(leader.members.length / cast - agreement) > 0.01) {
    return `${formatPercent(agreement)} of the last vote ${end ? "agreed" : "agrees"} (${formatCount(leader.members.length)} of all ${cast} answers are this one)`;
  }
  const share = votes.isWeighted ? `, ${formatPercent(leader.share)} of the weight` : "";
  const abstaining = votes.abstaining.length ? `, ${plural(votes.abstaining.length, "abstained", "abstained")}` : "";
  return `${formatCount(leader.members.length)} of ${plural(cast, "vote")} ${end ? "agreed" : "agree"}${share}${abstaining}`;
}

function explainCost({ tokens, nodes, seconds, estimate }) {
  const decodes = nodes.filter((node) => node.isDecode).length;
  if (!decodes) return "";
  const aborted = nodes.filter((node) => node.state === "aborted").length;
  const parts = [`${plural(tokens.completion, "token")} in ${plural(decodes, "decode")} and ${formatSeconds(seconds)}`];
  if (aborted) parts.push(`${formatCount(tokens.aborted)} of them in ${formatCount(aborted)} that ${aborted === 1 ? "was" : "were"} aborted`);
  if (estimate) parts.push(`waiting for all ${estimate.n} would have cost about ${formatCount(estimate.tokens)} (estimate)`);
  return `${parts.join("; ")}.`;
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

function capitalise(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
