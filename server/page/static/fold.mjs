// Folds a trace into what the page draws: nodes, votes, leaders and the end. Pure: it has no clock and no document.
//
// Events that it does not know, and fields that have another type than theirs, are passed over: a trace may come from a
// file that anybody wrote.

import { countTokens, estimateAll } from "./cost.mjs";
import { findSolutions, withdrawVotes } from "./solutions.mjs";
import { countVotes } from "./votes.mjs";

export const CANDIDATE_ROLES = new Set(["candidate", "step"]);

/** A decode of which nothing is known yet. */
const UNKNOWN = {
  parent: null, model: null, seed: null, started: null, tokens: 0, depth: null, text: null, finishReason: null, logprob: null,
  prompt: null, promptTokens: null, cachedTokens: null, prefixTokens: 0, vote: null, score: null, execution: null, reason: null,
};

const EVENTS = {
  start(state, event) {
    addNode(state, event.index, { ...pick(event), started: event.at, state: "running" });
  },
  decode(state, event) {
    const node = addNode(state, event.index, {
      ...pick(event),
      started: isNumber(event.started) ? event.started : (state.nodes.get(event.index)?.started ?? event.at),
      ended: event.at,
      state: event.aborted === true ? "aborted" : "done",
      tokens: isNumber(event.tokens) ? event.tokens : 0,
      depth: toNumber(event.depth),
      text: typeof event.text === "string" ? event.text : null,
      finishReason: toText(event.finish_reason),
      logprob: toNumber(event.logprob),
      prompt: event.prompt ?? null,
      promptTokens: toNumber(event.prompt_tokens),
      cachedTokens: toNumber(event.cached_tokens),
      prefixTokens: toNumber(event.prefix_tokens) ?? 0,
      counted: event.counted !== false,
      reused: event.reused === true,
      toolCalls: Array.isArray(event.tool_calls) ? event.tool_calls : [],
    });
    node.isDecode = true;
  },
  failure(state, event) {
    const node = addNode(state, event.index, { ...pick(event), state: "lost", ended: event.at });
    node.reason = toText(event.reason);
    node.started ??= event.at;
  },
  verdict(state, event) {
    const verdict = {
      at: event.at,
      verifier: toText(event.verifier),
      score: toNumber(event.score),
      steps: Array.isArray(event.steps) ? event.steps.filter(isNumber) : [],
      tokens: toNumber(event.tokens) ?? 0,
    };
    state.verdicts.push(verdict);
    const node = state.nodes.get(event.index);
    if (!node) return;
    node.verdicts.push(verdict);
    if (verdict.score !== null) node.score = verdict.score;
  },
  vote(state, event) {
    const node = state.nodes.get(event.index);
    if (!node) return;
    const answer = toText(event.answer);
    const group = isIndex(event.class) ? event.class : null;
    node.vote = { at: event.at, answer, group, weight: toNumber(event.weight) ?? node.vote?.weight ?? null };
  },
  execution(state, event) {
    const node = state.nodes.get(event.index);
    if (node) node.execution = { reason: toText(event.reason), seconds: toNumber(event.seconds) };
  },
  leader(state, event) {
    const { at } = event;
    const [agreement, score] = [toNumber(event.agreement), toNumber(event.score)];
    state.leaders.push({ at, index: event.index, answer: toText(event.answer), agreement, score });
  },
  shed(state, event) {
    state.shed = { at: event.at, confidence: toNumber(event.confidence) };
  },
  end(state, event) {
    const [agreement, score] = [toNumber(event.agreement), toNumber(event.score)];
    state.end = { at: event.at, index: event.index, answer: toText(event.answer), agreement, score, stopped: toText(event.stopped), electorate: toElectorate(event.electorate) };
  },
};

/** What happened in the trace up to `until`, in seconds since its start. */
export function fold(trace, until = Infinity) {
  const state = { nodes: new Map(), verdicts: [], leaders: [], shed: null, end: null };
  let last = 0;
  let count = 0;
  for (const event of Array.isArray(trace.events) ? trace.events : []) {
    if (!event || !isNumber(event.at) || event.at > until || !Object.hasOwn(EVENTS, event.kind)) continue;
    EVENTS[event.kind](state, event);
    last = Math.max(last, event.at);
    count += 1;
  }
  const nodes = [...state.nodes.values()].sort((a, b) => a.index - b.index);
  linkNodes(state.nodes, nodes);
  const isOver = state.end !== null || (until === Infinity && isFinal(trace.status));
  if (isOver) for (const node of nodes) if (node.state === "running") endNode(node, last, state.end);
  const model = {
    ...describe(trace),
    nodes,
    byIndex: state.nodes,
    verdicts: state.verdicts,
    leaders: state.leaders,
    shed: state.shed,
    end: state.end,
    isOver,
    seconds: state.end?.at ?? (until === Infinity ? last : until),
    count,
  };
  model.path = findPath(model);
  model.firstRoot = state.end ? (model.path[0] ?? null) : null;
  model.solutions = findSolutions(model);
  withdrawVotes(model);
  model.votes = countVotes(model);
  model.tokens = countTokens(model);
  model.estimate = estimateAll(model);
  return model;
}

/** The time of the last event, in seconds. */
export function findDuration(trace) {
  const times = (Array.isArray(trace.events) ? trace.events : []).map((event) => event?.at).filter(isNumber);
  return times.reduce((longest, at) => Math.max(longest, at), 0);
}

export function isFinal(status) {
  return typeof status === "string" && status !== "running";
}

export function isCandidate(node) {
  return CANDIDATE_ROLES.has(node.role);
}

function describe(trace) {
  const strategy = trace.strategy && typeof trace.strategy === "object" ? trace.strategy : {};
  const { name, ...options } = strategy;
  return {
    id: toText(trace.id) ?? "",
    status: toText(trace.status) ?? "running",
    model: toText(trace.model) ?? "",
    strategy: toText(name) ?? "none",
    options,
    seed: toNumber(trace.seed),
    question: findQuestion(trace.request),
    usage: trace.usage && typeof trace.usage === "object" ? trace.usage : {},
  };
}

/** The text of the last message of the user, where the request is shown. */
function findQuestion(request) {
  const messages = [request?.messages, request?.input].find(Array.isArray);
  const content = messages?.findLast((message) => message?.role === "user")?.content ?? request?.prompt ?? request?.input;
  if (Array.isArray(content)) return content.map((part) => (typeof part?.text === "string" ? part.text : "")).join(" ");
  return typeof content === "string" ? content : null;
}

function addNode(state, index, fields) {
  if (!isIndex(index)) return {};
  const node = state.nodes.get(index) ?? { ...UNKNOWN, index, verdicts: [], children: [] };
  state.nodes.set(index, Object.assign(node, withoutNulls(fields)));
  return node;
}

function pick(event) {
  const parent = isIndex(event.parent) ? event.parent : null;
  return { role: toText(event.role) ?? "candidate", parent, model: toText(event.model), seed: toNumber(event.seed) };
}

/** Sets the children of each node. A parent that is not there, or that would close a circle, is none. */
function linkNodes(byIndex, nodes) {
  for (const node of nodes) {
    const seen = new Set([node.index]);
    for (let at = byIndex.get(node.parent); at; at = byIndex.get(at.parent)) {
      if (seen.has(at.index)) {
        node.parent = null;
        break;
      }
      seen.add(at.index);
    }
    if (!byIndex.has(node.parent)) node.parent = null;
    byIndex.get(node.parent)?.children.push(node);
  }
  for (const node of nodes) {
    node.level = 1;
    for (let at = byIndex.get(node.parent); at; at = byIndex.get(at.parent)) node.level += 1;
  }
}

/** Ends a decode that has no end of its own: it was still waiting for its turn, or its search failed. */
function endNode(node, at, end) {
  node.state = end ? "dropped" : "lost";
  node.ended = at;
  node.reason = end ? "the search ended before its turn came" : "the search failed";
}

/** The indices from the root to the chosen decode, or to the one that leads so far. */
function findPath({ byIndex, end, leaders }) {
  const path = [];
  for (let at = byIndex.get((end ?? leaders.at(-1))?.index); at; at = byIndex.get(at.parent)) path.unshift(at.index);
  return path;
}

function withoutNulls(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

export function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

function isIndex(value) {
  return Number.isInteger(value) && value >= 0;
}

function toNumber(value) {
  return isNumber(value) ? value : null;
}

/** The indices of those among which the strategy chose; null where the trace does not tell. */
function toElectorate(rows) {
  const indices = Array.isArray(rows) ? rows.map((row) => row?.index).filter(isIndex) : [];
  return indices.length ? new Set(indices) : null;
}

function toText(value) {
  return typeof value === "string" ? value : value === null || value === undefined ? null : String(value);
}
