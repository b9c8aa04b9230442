// What a search cost in tokens, and an estimate of what it would have cost without early stops.

/** Tokens by their fate, as the server counts them for `usage`. */
export function countTokens({ nodes, verdicts }) {
  const decodes = nodes.filter((node) => node.isDecode && !node.reused);
  const completion = sum(decodes, (node) => node.tokens);
  const aborted = sum(decodes, (node) => (node.state === "aborted" ? node.tokens : 0));
  const judged = sum(decodes, (node) => (node.role === "verifier" ? node.tokens : 0));
  const judgedToEnd = sum(decodes, (node) => (node.role === "verifier" && node.state !== "aborted" ? node.tokens : 0));
  const read = sum(verdicts, (verdict) => verdict.tokens);
  const { prompt, cached } = countPrompts(decodes);
  return {
    completion,
    aborted,
    kept: completion - aborted - judgedToEnd,
    verifier: judged + read,
    prompt: prompt + read,
    cached,
    uncounted: decodes.filter((node) => !node.counted).length,
    reused: sum(nodes, (node) => (node.reused ? node.tokens : 0)),
    depth: decodes.reduce((depth, node) => Math.max(depth, node.depth ?? 0), 0),
  };
}

/** Each distinct prompt counts once, and what is inserted into the assistant's turn each time. */
function countPrompts(decodes) {
  const groups = new Map();
  for (const node of decodes) {
    if (node.promptTokens === null) continue;
    const fresh = Math.max(0, node.promptTokens - node.prefixTokens);
    const cached = node.cachedTokens === null ? null : Math.min(node.cachedTokens, fresh);
    const key = `${node.model} ${node.prompt}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push({ fresh, cached });
  }
  let [prompt, cached] = [0, 0];
  for (const group of groups.values()) {
    const base = Math.min(...group.map((each) => each.fresh));
    prompt += base + sum(group, (each) => each.fresh - base);
    const known = group.map((each) => each.cached).filter((each) => each !== null);
    cached += known.length ? Math.min(...known) : 0;
  }
  return { prompt, cached };
}

/** The parts of a decode's prompt, which add up to it: decoded earlier in this search, shared with an earlier decode, and new. */
export function splitPrompt(node, { nodes }) {
  const fresh = Math.max(0, node.promptTokens - node.prefixTokens);
  const group = nodes.filter((each) => each.isDecode && !each.reused && each.promptTokens !== null && each.prompt === node.prompt && each.model === node.model);
  const first = group.reduce((earliest, each) => (each.started < earliest.started ? each : earliest), group[0] ?? node);
  const base = Math.min(fresh, ...group.map((each) => Math.max(0, each.promptTokens - each.prefixTokens)));
  const shared = first === node || node.prompt === null ? 0 : base;
  return { earlier: node.promptTokens - fresh, shared, first, fresh: fresh - shared };
}

/**
 * An estimate of the tokens that all n candidates would have cost, run to their ends: those that ran, and for each that
 * was aborted or never started the mean of those that ended. Null where nothing was left out, or nothing is known.
 */
export function estimateAll({ nodes, options, tokens, isOver }) {
  const n = options.n;
  const candidates = nodes.filter((node) => node.role === "candidate" && node.parent === null);
  const ended = candidates.filter((node) => node.isDecode && node.state === "done" && node.finishReason !== "unsure");
  const cut = candidates.filter((node) => node.isDecode && node.state === "aborted");
  const isVote = nodes.every((node) => node.role !== "step" && (node.role !== "candidate" || node.parent === null));
  if (!isOver || !isVote || !Number.isInteger(n) || !ended.length || candidates.length > n) return null;
  const missing = n - candidates.filter((node) => node.isDecode).length;
  if (!missing && !cut.length) return null;
  const mean = sum(ended, (node) => node.tokens) / ended.length;
  const rest = sum(cut, (node) => Math.max(0, mean - node.tokens)) + missing * mean;
  const all = Math.round(tokens.completion + rest);
  return all > tokens.completion ? { n, tokens: all } : null;
}

function sum(list, measure) {
  return list.reduce((total, each) => total + measure(each), 0);
}
