// The vote of a search: its classes of equal answers, in the order in which they lead, and where a stop rule ended it.

/** Votes by class; `decides`: whether the strategy counts them, rather than scores; `order`: the voters as they came; `mark`: what the leader had when the stop rule decided. */
export function countVotes({ nodes, end, leaders, byIndex }) {
  const voters = nodes.filter((node) => node.vote).sort((a, b) => a.vote.at - b.vote.at || a.index - b.index);
  const classes = new Map();
  for (const node of voters) {
    const { group, answer } = node.vote;
    if (group === null) continue;
    if (!classes.has(group)) classes.set(group, { group, answer, members: [], weight: 0 });
    const one = classes.get(group);
    one.members.push(node);
    one.weight += weigh(node);
  }
  const ranked = [...classes.values()].sort((a, b) => b.weight - a.weight || a.group - b.group);
  const total = ranked.reduce((sum, one) => sum + one.weight, 0);
  for (const [rank, one] of ranked.entries()) Object.assign(one, { rank, share: total > 0 ? one.weight / total : 0 });
  const chosen = byIndex.get(end?.index)?.vote?.group ?? null;
  return {
    classes: ranked,
    byGroup: classes,
    order: voters,
    abstaining: voters.filter((node) => node.vote.group === null),
    total,
    isWeighted: voters.some((node) => node.vote.weight !== null && node.vote.weight !== 1),
    chosen,
    decides: ((end ?? leaders.at(-1))?.agreement ?? null) !== null,
    mark: findMark(end, ranked, chosen),
  };
}

export function weigh(node) {
  return node.vote?.weight ?? 1;
}

function findMark(end, ranked, chosen) {
  if (end?.stopped !== "decided" || !ranked.length) return null;
  const leader = ranked.find((one) => one.group === chosen) ?? ranked[0];
  return { weight: leader.weight, count: leader.members.length, votes: ranked.reduce((n, one) => n + one.members.length, 0) };
}
