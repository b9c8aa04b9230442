// The sentences of the head line: why the answer is the answer, and what it cost. Pure.

import { isCandidate } from "./fold.mjs";
import { capitalise, findVerifier, formatCount, formatPercent, formatScore, formatSeconds, plural, shorten } from "./text.mjs";

const STOPPED = {
  decided: "the rest was not needed",
  deadline: "the time limit was reached",
  budget: "the token budget was spent",
  asked: "somebody asked for the answer",
  draining: "the server was shutting down",
};
const SAME = 1e-6;

/** Why the search gave this answer, and what it cost: a text of whole sentences for each. */
export function explain(model) {
  return [explainAnswer(model), explainCost(model)].filter(Boolean);
}

function explainAnswer(model) {
  const { end, leaders, votes, isOver, status } = model;
  if (isOver && !end) return status === "cached" ? "The answer came from the cache: nothing was decoded." : `The search ended without an answer: ${status}.`;
  const { answer, agreement = null, score = null } = end ?? leaders.at(-1) ?? {};
  const verifier = findVerifier(model);
  const sentences = [];
  if (votes.classes.length && agreement !== null) sentences.push(explainVote(votes, model, answer, agreement));
  if (score !== null && verifier) sentences.push(explainScore(model, score, verifier, agreement === null));
  if (!end) return sentences.length ? `So far: ${sentences.join("; ")}.` : "The search is running.";
  sentences.push(explainDropped(model), explainEnd(model));
  return sentences.filter(Boolean).map((each) => `${capitalise(each)}.`).join(" ");
}

function explainEnd(model) {
  const { end, votes, options } = model;
  if (end.stopped === "completed") return explainCompleted(model);
  if (end.stopped === "decided" && votes.mark && options.stop_rule) return `stopped early: ${explainRule(model)} (rule ${options.stop_rule})`;
  return STOPPED[end.stopped] ?? "the search ended";
}

/** Only of several candidates beside each other, none of them scored, is it worth a sentence that all came to their ends. */
function explainCompleted({ nodes }) {
  const candidates = nodes.filter(isCandidate);
  const areApart = candidates.length > 1 && candidates.every((node) => node.parent === null && node.role === "candidate" && node.score === null);
  return areApart && candidates.every((node) => node.state === "done") ? "every candidate ran to its end" : "";
}

function explainRule({ end, votes, options, shed }) {
  const leader = votes.byGroup.get(votes.chosen) ?? votes.classes[0];
  const answer = shorten(end.answer ?? leader.answer, 40);
  const confidence = formatPercent(shed?.confidence ?? (typeof options.confidence === "number" ? options.confidence : null));
  switch (options.stop_rule) {
    case "certain":
      return `${answer} could no longer be overtaken`;
    case "predictive":
      return `${answer} was at least ${confidence} likely to win the vote of ${options.n}`;
    case "beta":
      return `${answer} was at least ${confidence} likely to be the model's most frequent answer`;
    case "windows":
      return `${options.window} answers in a row were ${answer}`;
    case "consensus":
      return `${answer} had at least ${confidence} of the weight`;
    default:
      return `the vote was decided after ${votes.order.length}`;
  }
}

function explainDropped({ solutions, isOver }) {
  const dropped = isOver && solutions ? solutions.dropped : 0;
  return dropped ? `${plural(dropped, "step was", "steps were")} dropped on the way` : "";
}

/** `decides`: whether the highest score is the choice, rather than a vote. */
function explainScore(model, score, verifier, decides) {
  const { end, solutions } = model;
  const plain = `score ${formatScore(score)} by ${verifier}`;
  const rivals = listRivals(model);
  if (!end || !decides || !rivals.length || rivals[0].score > score + SAME) return plain;
  if (solutions) return `highest score of ${rivals.length + 1} complete solutions, ${formatScore(score)} by ${verifier} (next ${formatScore(rivals[0].score)})`;
  return `${plain}, the highest of ${rivals.length + 1}; ${describeRivals(rivals, end.answer, model)}`;
}

/** The others that had a score in the choice, the best first. */
function listRivals({ nodes, solutions, end }) {
  const among = solutions?.list ?? nodes.filter((node) => isCandidate(node) && (!end?.electorate || end.electorate.has(node.index)));
  return among.filter((node) => node.score !== null && node.index !== end?.index).sort((a, b) => b.score - a.score || a.index - b.index);
}

/** The next one, and the best with another answer than the chosen one. */
function describeRivals(rivals, answer, { byIndex, end }) {
  const group = byIndex.get(end.index)?.vote?.group ?? null;
  const [next] = rivals;
  const other = rivals.find((node) => node.vote?.answer != null && node.vote.group !== group);
  const named = next.vote?.answer != null ? ` (${shorten(next.vote.group === group ? (answer ?? next.vote.answer) : next.vote.answer, 24)})` : "";
  const best = other && other !== next ? `, best of ${shorten(other.vote.answer, 24)}: ${formatScore(other.score)}` : "";
  return `next ${formatScore(next.score)}${named}${best}`;
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
  const parts = [`${formatCount(tokens.completion)} decoded + ${formatCount(tokens.prompt)} prompt tokens in ${plural(decodes, "decode")} and ${formatSeconds(seconds)}`];
  if (aborted) parts.push(`${formatCount(tokens.aborted)} of the decoded in ${formatCount(aborted)} that ${aborted === 1 ? "was" : "were"} aborted`);
  if (estimate) {
    const saved = estimate.tokens - tokens.completion;
    parts.push(`waiting for all ${estimate.n} would have cost about ${formatCount(estimate.tokens)} tokens: ${formatCount(saved)} saved (${formatPercent(saved / estimate.tokens)})`);
  }
  return `${parts.join("; ")}.`;
}
