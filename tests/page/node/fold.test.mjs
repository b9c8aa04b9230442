// The fold on traces that are written by hand: what a node, a vote, a cost and a head line are.

import assert from "node:assert/strict";
import test from "node:test";
import { fold } from "../../../server/page/static/fold.mjs";
import { splitPrompt } from "../../../server/page/static/cost.mjs";
import { explain } from "../../../server/page/static/explain.mjs";
import { describeFinished, describeProgress, formatAge, formatRange, nameWindow } from "../../../server/page/static/text.mjs";
import { build, decode, end, start, vote } from "./traces.mjs";

const VOTE = build({ name: "self_consistency", n: 8, stop_rule: "certain" }, [
  start(0, 0), start(1, 0), start(2, 0), start(3, 0.1),
  decode(0, 1, { tokens: 10 }), vote(0, 1, "42", 0),
  decode(1, 2, { tokens: 20 }), vote(1, 2, "41", 1),
  decode(2, 3, { tokens: 30 }), vote(2, 3, "42.0", 0),
  decode(3, 3.1, { tokens: 5, aborted: true, finish_reason: "abort" }),
  end(2, 3.1, { answer: "42", stopped: "decided", agreement: 2 / 3 }),
]);

test("a decode is a node with its fate", () => {
  const model = fold(VOTE);
  assert.deepEqual(model.nodes.map((node) => node.state), ["done", "done", "done", "aborted"]);
  assert.deepEqual(model.path, [2]);
  assert.equal(model.seconds, 3.1);
});

test("equal answers are one class, and the leader is first", () => {
  const { votes } = fold(VOTE);
  assert.deepEqual(votes.classes.map((one) => [one.answer, one.members.map((node) => node.index)]), [["42", [0, 2]], ["41", [1]]]);
  assert.deepEqual(votes.mark, { weight: 2, count: 2, votes: 3 });
});

test("an earlier moment has what had happened by then", () => {
  const model = fold(VOTE, 1.5);
  assert.deepEqual(model.nodes.map((node) => node.state), ["done", "running", "running", "running"]);
  assert.deepEqual([model.end, model.isOver, model.votes.total, model.tokens.completion], [null, false, 1, 10]);
});

test("the estimate is what ran, and the mean for what was aborted or never started", () => {
  const { tokens, estimate } = fold(VOTE);
  assert.deepEqual([tokens.completion, tokens.kept, tokens.aborted], [65, 60, 5]);
  assert.equal(estimate.tokens, 65 + 15 + 4 * 20);
});

test("a vote that abstains is one of the votes that the agreement is a share of", () => {
  const events = [decode(0, 1), vote(0, 1, "7", 0), decode(1, 1), vote(1, 1, null, null), end(0, 2, { answer: "7", agreement: 0.5 })];
  assert.match(explain(fold(build({ name: "self_consistency", n: 2 }, events)))[0], /^1 of 2 votes agreed, 1 abstained\. Every candidate ran to its end\.$/);
});

test("a candidate whose turn never came is one of those that the estimate adds", () => {
  const { estimate } = fold({ ...VOTE, events: [start(7, 0), ...VOTE.events] });
  assert.equal(estimate.tokens, 65 + 15 + 4 * 20);
});

test("the head line says why and what it cost", () => {
  assert.deepEqual(explain(fold(VOTE)), [
    "2 of 3 votes agreed. Stopped early: 42 could no longer be overtaken (rule certain).",
    "65 decoded + 40 prompt tokens in 4 decodes and 3.10 s; 5 of the decoded in 1 that was aborted; " +
      "waiting for all 8 would have cost about 160 tokens: 95 saved (59 %).",
  ]);
});

test("each stop rule has its words, with the confidence that was enough", () => {
  const why = (options, events = []) => explain(fold({ ...VOTE, strategy: { ...VOTE.strategy, confidence: 0.9, window: 3, ...options }, events: [...events, ...VOTE.events] }))[0];
  assert.match(why({ stop_rule: "predictive" }), /42 was at least 90 % likely to win the vote of 8 \(rule predictive\)/);
  assert.match(why({ stop_rule: "predictive", confidence: 0.99 }, [{ kind: "shed", at: 0, confidence: 0.9 }]), /at least 90 % likely/);
  assert.match(why({ stop_rule: "beta" }), /42 was at least 90 % likely to be the model's most frequent answer \(rule beta\)/);
  assert.match(why({ stop_rule: "windows" }), /3 answers in a row were 42 \(rule windows\)/);
  assert.match(why({ stop_rule: "consensus" }), /42 had at least 90 % of the weight \(rule consensus\)/);
});

const verdict = (index, score) => ({ kind: "verdict", at: 3, index, verifier: "judge", score });
const elect = (...indices) => indices.map((index) => ({ index }));

test("the best of n has its rivals beside it, also that of another answer", () => {
  const events = [0, 1, 2].flatMap((index) => [decode(index, 1), vote(index, 1, index === 2 ? "42" : "41", index === 2 ? 2 : 0, null), verdict(index, 0.9 - index / 10)]);
  const trace = build({ name: "best_of_n", n: 3 }, [...events, end(0, 4, { answer: "41", score: 0.9, electorate: elect(0, 1, 2) })]);
  assert.equal(explain(fold(trace))[0], "Score 0.9 by judge, the highest of 3; next 0.8 (41), best of 42: 0.7.");
});

test("one candidate is not every candidate", () => {
  assert.deepEqual(explain(fold(build({ name: "chain_of_thought" }, [decode(0, 1), end(0, 1, { answer: "7" })]))), ["10 decoded + 40 prompt tokens in 1 decode and 1.00 s."]);
});

const STEPS = build({ name: "beam_search", n: 2 }, [
  ...[0, 1].map((index) => start(index, 0, { role: "step" })),
  ...[0, 1].flatMap((index) => [decode(index, 1, { role: "step" }), verdict(index, 0.5)]),
  vote(0, 1, null, null),
  ...[2, 3, 4].flatMap((index) => [decode(index, 2, { role: "step", parent: 0 }), verdict(index, index / 10)]),
  vote(3, 3, "7", 3), vote(4, 3, null, null),
  end(4, 4, { answer: "7", score: 0.4, electorate: elect(3, 4) }),
]);

test("a step-wise search has solutions, and steps that were dropped", () => {
  const model = fold(STEPS);
  assert.deepEqual([model.solutions.list.map((node) => node.index), model.solutions.dropped], [[3, 4], 2]);
  assert.equal(explain(model)[0], "Highest score of 2 complete solutions, 0.4 by judge (next 0.3). 2 steps were dropped on the way.");
});

test("a step that is not asked for its answer does not abstain, and a solution without one does", () => {
  const model = fold(STEPS);
  assert.deepEqual(model.votes.order.map((node) => node.index), [3, 4]);
  assert.equal(model.byIndex.get(0).vote, null);
  assert.deepEqual(model.votes.abstaining.map((node) => node.index), [4]);
});

test("counts of a moment are of what is done and what runs, and of the end of what finished", () => {
  const [early, late] = [fold(VOTE, 1.5), fold(VOTE)];
  assert.equal(describeProgress(early.nodes, early.isOver), "1 done, 3 running");
  assert.equal(describeFinished(early.nodes, early.isOver), "1 done, 3 running");
  assert.equal(describeProgress(late.nodes, late.isOver), "4 decodes");
  assert.equal(describeFinished(late.nodes, late.isOver), "3 finished of 4 started");
});

test("a chosen step's path leads to its root", () => {
  const trace = build({ name: "beam_search", n: 4 }, [
    decode(0, 1, { role: "step" }), decode(1, 1, { role: "step" }), decode(2, 2, { role: "step", parent: 1 }),
    end(2, 2, { answer: "7", stopped: "completed" }),
  ]);
  const model = fold(trace);
  assert.deepEqual(model.path, [1, 2]);
  assert.deepEqual(model.byIndex.get(1).children.map((node) => node.index), [2]);
  assert.equal(model.estimate, null);
});

test("a decode that failed is lost, and one whose turn never came is dropped", () => {
  const trace = build({ name: "best_of_n", n: 2 }, [
    start(0, 0), start(1, 0), start(2, 0), { kind: "failure", at: 1, index: 0, role: "candidate", reason: "gone" }, decode(1, 1), end(1, 2, {}),
  ]);
  assert.deepEqual(fold(trace).nodes.map((node) => [node.state, node.isDecode ?? false]), [["lost", false], ["done", true], ["dropped", false]]);
  const failed = { ...trace, status: "engine_failed", events: trace.events.slice(0, -1) };
  assert.equal(fold(failed).nodes[2].state, "lost");
});

test("a later vote of a candidate takes the earlier one's place, with its weight", () => {
  const trace = build({ name: "self_consistency" }, [decode(0, 1), vote(0, 1, "1", 0, null), vote(0, 2, "1", 0, 0.25)]);
  const { votes } = fold(trace);
  assert.deepEqual([votes.classes.length, votes.total, votes.isWeighted], [1, 0.25, true]);
});

test("prompts count once, prefixes where they were decoded, and what was cached before the first decode", () => {
  const prompt = { prompt: 0, prompt_tokens: 40 };
  const trace = build({ name: "beam_search" }, [
    decode(0, 1, { ...prompt, prefix_tokens: 0, cached_tokens: 16 }),
    decode(1, 2, { ...prompt, prompt_tokens: 55, prefix_tokens: 10, cached_tokens: 48, parent: 0 }),
    decode(2, 3, { prompt: 1, prompt_tokens: 100, prefix_tokens: 0, cached_tokens: null, role: "verifier" }),
  ]);
  assert.deepEqual([fold(trace).tokens.prompt, fold(trace).tokens.cached], [40 + 5 + 100, 16]);
});

test("a prompt's parts add up to it", () => {
  const prompt = { prompt: 0, prompt_tokens: 29 };
  const model = fold(build({ name: "beam_search" }, [
    decode(0, 1, prompt), decode(1, 1, { ...prompt, started: 0.1 }),
    decode(2, 2, { ...prompt, prompt_tokens: 97, prefix_tokens: 63, parent: 0, started: 1 }),
  ]));
  const parts = model.nodes.map((node) => splitPrompt(node, model)).map(({ earlier, shared, first, fresh }) => [earlier, shared, first.index, fresh]);
  assert.deepEqual(parts, [[0, 0, 0, 29], [0, 29, 0, 0], [63, 29, 0, 5]]);
});

test("a range of time has one unit", () => {
  assert.deepEqual([formatRange(0.0019, 0.3733), formatRange(2.8305, 3.39229), formatRange(0.0019, 0.05), formatRange(2, undefined)], ["0.00 to 0.37 s", "2.83 to 3.39 s", "2 to 50 ms", "since 2.00 s"]);
});

test("a window is called by the answer and the search", () => {
  assert.equal(nameWindow({ id: "vote", answer: "42", status: "completed" }), "42 · vote · Cogitate");
  assert.equal(nameWindow({ id: "vote", answer: null, status: "running" }), "running · vote · Cogitate");
  assert.deepEqual([0, 40, 300].map(formatAge), ["now", "40 s ago", "5 min ago"]);
});

test("the question is the user's last message, in any of the APIs", () => {
  const parts = [{ type: "image_url" }, { type: "text", text: "Why?" }];
  const requests = [
    { messages: [{ role: "user", content: "What?" }, { role: "assistant", content: "x" }, { role: "user", content: parts }] },
    { input: [{ role: "user", content: "Why?" }] },
    { input: "Why?" },
    { prompt: "Why?" },
  ];
  for (const request of requests) assert.equal(fold({ request, events: [] }).question.trim(), "Why?");
  assert.equal(fold({ request: null, events: [] }).question, null);
});

test("nonsense from a file is passed over, and circles are broken", () => {
  const events = [null, 7, { kind: "decode" }, { kind: "decode", at: 1, index: -1 }, { kind: "constructor", at: 1 }, { kind: "vote", at: 1, index: 9 }];
  const circle = [decode(0, 1, { parent: 1 }), decode(1, 1, { parent: 0 }), decode(2, 1, { parent: 2 }), decode(3, 1, { parent: 99, tokens: "many" })];
  const model = fold({ events: [...events, ...circle], strategy: 3, usage: null });
  assert.equal(model.nodes.length, 4);
  assert.ok(model.nodes.every((node) => Number.isFinite(node.tokens)));
  assert.equal(model.nodes.filter((node) => node.parent === null).length, 3);
  assert.deepEqual(fold({}).nodes, []);
});
