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
  return "plain";
}

/** The first classes to get a vote have a colour of their own, in every moment of the replay. */
export function colourClass(one) {
  return one && one.colour < CLASS_COLOURS ? `class-${one.colour}` : "class-other";
}

export function stepOf(score) {
  return Math.min(SCORE_STEPS - 1, Math.max(0, Math.floor(score * SCORE_STEPS)));
}
