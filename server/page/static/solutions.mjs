// The solutions of a step-wise search: the last steps of its complete texts. Pure.

const STEPWISE = new Set(["beam_search", "dvts", "particle_filter"]);

/** Whether candidates are decoded step by step. */
export function isStepwise({ strategy, nodes }) {
  return STEPWISE.has(strategy) || nodes.some((node) => node.role === "step");
}

/** The solutions, and how many steps nobody continued that are none; null where candidates are decoded at once. */
export function findSolutions(model) {
  if (!isStepwise(model)) return null;
  const last = model.nodes.filter((node) => node.role === "step" && node.state === "done" && !node.children.some((child) => child.role === "step"));
  const { electorate } = model.end ?? {};
  const isSolution = (node) => (electorate ? electorate.has(node.index) : node.vote?.answer != null);
  const list = last.filter(isSolution);
  return { list, dropped: last.length - list.length };
}

/** A step that others continue, or that was dropped, is not asked for its answer: it does not abstain. */
export function withdrawVotes({ nodes, solutions }) {
  const asked = new Set(solutions?.list);
  for (const node of nodes) if (node.role === "step" && node.vote?.answer === null && !asked.has(node)) node.vote = null;
}
