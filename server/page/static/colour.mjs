// Classes of colour, which style.css defines for both themes. Pure.

export const SCORE_STEPS = 7;
export const CLASS_COLOURS = 7;

/** Whether nodes are coloured by score; otherwise by the answer that they vote for. */
export function usesScores({ nodes }) {
  return nodes.some((node) => node.score !== null);
}

export function colourNode(node, model, byScore) {
  if (byScore && node.score !== null) return `score-${stepOf(node.score)}`;
  if (!byScore && node.vote?.group != null) return colourClass(model.votes.byGroup.get(node.vote.group));
  return byScore && isUnscored(node) ? "plain unscored" : "plain";
}

/** Whether this is one of the texts that have scores, and has none. */
export function isUnscored(node) {
  return node.state === "done" && node.score === null && (node.role === "candidate" || node.role === "step");
}

/** The answers that lead have a colour of their own. */
export function colourClass(one) {
  return one && one.rank < CLASS_COLOURS ? `class-${one.rank}` : "class-other";
}

/** Gives each answer, in an earlier moment of a search, the colour that it has at its end, and each root its place. */
export function keepLook(model, latest) {
  model.firstRoot = latest.firstRoot;
  for (const one of model.votes.classes) one.rank = latest.votes.byGroup.get(one.group)?.rank ?? one.rank;
  return model;
}

export function stepOf(score) {
  return Math.min(SCORE_STEPS - 1, Math.max(0, Math.floor(score * SCORE_STEPS)));
}
