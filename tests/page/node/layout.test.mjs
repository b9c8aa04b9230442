// Where nodes are drawn: no two over each other, every decode somewhere, and within the width where that is possible.

import assert from "node:assert/strict";
import test from "node:test";
import { colourNode, keepLook, stepOf } from "../../../server/page/static/colour.mjs";
import { fold } from "../../../server/page/static/fold.mjs";
import { chooseTicks, layLanes } from "../../../server/page/static/lanes.mjs";
import { findNeighbour, layOut } from "../../../server/page/static/layout.mjs";
import { build, decode, end, vote } from "./traces.mjs";

function buildVote(n) {
  const events = [];
  for (let index = 0; index < n; index += 1) {
    const answer = index % 3 ? "42" : String(index);
    events.push(decode(index, index / 10, { tokens: 5 + ((index * 37) % 90) }), vote(index, index / 10, answer, index % 3 ? 1 : index));
  }
  return fold(build({ name: "self_consistency", n }, [...events, end(1, n / 10, { answer: "42" })]));
}

function buildTree(levels, width) {
  const events = [];
  let parents = [null];
  let index = 0;
  for (let level = 0; level < levels; level += 1) {
    const next = [];
    for (const parent of parents) {
      for (let child = 0; child < width; child += 1) {
        events.push(decode(index, level + 1, { role: "step", parent, tokens: 3 + ((index * 31) % 70) }));
        next.push(index++);
      }
    }
    parents = next.filter((_, at) => at % width === 0);
  }
  return fold(build({ name: "beam_search", n: width }, [...events, end(parents[0], levels, {})]));
}

function assertApart(boxes) {
  const list = [...boxes.values()];
  for (const [at, a] of list.entries()) {
    for (const b of list.slice(at + 1)) {
      const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
      assert.ok(apart, `${a.node.index} lies over ${b.node.index}`);
    }
  }
}

for (const width of [340, 820]) {
  for (const n of [2, 16, 256]) {
    test(`${n} voting candidates stand apart in ${width} pixels`, () => {
      const layout = layOut(buildVote(n), width);
      assert.deepEqual([layout.kind, layout.boxes.size], ["columns", n]);
      assertApart(layout.boxes);
      for (const box of layout.boxes.values()) assert.ok(box.x >= 0 && box.x + box.width <= width + 8);
    });
  }
  test(`a tree stands apart in ${width} pixels, and children begin after their parents`, () => {
    const model = buildTree(5, 4);
    const layout = layOut(model, width);
    assert.deepEqual([layout.kind, layout.boxes.size], ["tree", model.nodes.length]);
    assertApart(layout.boxes);
    for (const { from, to } of layout.links) assert.ok(from.x + from.width < to.x);
    assert.ok(layout.width <= width + 8);
  });
}

test("arrow keys reach every node of a tree and of a vote", () => {
  for (const model of [buildTree(3, 3), buildVote(40)]) {
    const layout = layOut(model, 700);
    const reached = new Set([layout.boxes.keys().next().value]);
    for (const index of reached) {
      for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]) reached.add(findNeighbour(layout, index, key));
    }
    assert.equal(reached.size, model.nodes.length);
  }
});

/** A judged tree: two roots, of which the second was chosen, each with its verdict before its next steps. */
const judge = (index, parent) => decode(index, 5, { role: "verifier", parent, tokens: 1 });
const JUDGED = build({ name: "beam_search" }, [
  ...[0, 1].map((index) => decode(index, 1, { role: "step" })), judge(2, 0), judge(3, 1),
  decode(4, 2, { role: "step", parent: 0 }), decode(5, 2, { role: "step", parent: 1 }), judge(6, 5), end(5, 3, {}),
]);

test("the chosen root is first, also in an earlier moment", () => {
  const latest = fold(JUDGED);
  for (const model of [latest, keepLook(fold(JUDGED, 1.5), latest)]) assert.equal(layOut(model, 700).boxes.keys().next().value, 1);
});

test("in a tree, keys go by its order and pass over verdicts", () => {
  const layout = layOut(fold(JUDGED), 700);
  const follow = (from, ...keys) => keys.map((key) => (from = findNeighbour(layout, from, key)));
  assert.deepEqual(follow(1, "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft"), [5, 5, 1, 1]);
  assert.deepEqual(follow(1, "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp"), [5, 0, 4, 4, 0]);
  assert.deepEqual(follow(3, "ArrowDown", "Home", "End"), [5, 1, 4]);
});

test("a text without a score is not coloured as if it had one", () => {
  const model = fold(JUDGED);
  assert.equal(colourNode(model.nodes[0], model, true), "plain unscored");
  assert.equal(colourNode(model.nodes[2], model, true), "plain");
});

test("bars of a lane are as long as their decodes ran", () => {
  const model = fold(build({ name: "x" }, [decode(0, 2, { started: 1 }), decode(1, 4, { started: 0 }), end(1, 4, {})]));
  const { bars, end: line } = layLanes(model, 400);
  assert.deepEqual(bars.map((bar) => [bar.node.index, bar.x, bar.width]), [[1, 0, 400], [0, 100, 100]]);
  assert.equal(line, 400);
});

test("ticks are round and few", () => {
  assert.deepEqual(chooseTicks(4, 100).map((tick) => tick.at), [0, 1, 2, 3]);
  for (const total of [0.003, 0.7, 12, 900]) assert.ok(chooseTicks(total, 1).length <= 7);
});

test("scores have seven colours, and answers the colour of their class", () => {
  assert.deepEqual([-1, 0, 0.5, 1, 2].map(stepOf), [0, 0, 3, 6, 6]);
  const model = buildVote(8);
  assert.equal(colourNode(model.nodes[1], model, false), colourNode(model.nodes[2], model, false));
  assert.notEqual(colourNode(model.nodes[0], model, false), colourNode(model.nodes[1], model, false));
});
