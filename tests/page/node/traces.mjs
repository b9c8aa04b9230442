// Traces that are written by hand, in the server's schema.

export function build(strategy, events) {
  return { id: "t", object: "trace", version: 1, status: "completed", model: "m", strategy, seed: 1, usage: {}, events };
}

export function start(index, at, fields = {}) {
  return { kind: "start", at, index, role: "candidate", parent: null, model: "m", seed: index, ...fields };
}

export function decode(index, at, fields = {}) {
  const counts = { tokens: 10, prompt: 0, prompt_tokens: 40, cached_tokens: null, prefix_tokens: 0, counted: true, depth: 10 };
  const rest = { role: "candidate", parent: null, model: "m", seed: index, started: 0, finish_reason: "stop", aborted: false, text: "", logprob: null };
  return { kind: "decode", at, index, ...counts, ...rest, ...fields };
}

export function vote(index, at, answer, group, weight = 1) {
  return { kind: "vote", at, index, answer, class: group, weight };
}

export function end(index, at, fields) {
  return { kind: "end", at, index, answer: null, stopped: "completed", agreement: null, score: null, ...fields };
}
