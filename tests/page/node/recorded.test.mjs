// The fold on traces of real searches of every strategy, in the folder that TRACES names.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { findDuration, fold } from "../../../server/page/static/fold.mjs";
import { layLanes } from "../../../server/page/static/lanes.mjs";
import { layOut } from "../../../server/page/static/layout.mjs";
import { explain } from "../../../server/page/static/explain.mjs";

const FOLDER = process.env.TRACES;
const NAMES = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));

test("there are traces", () => assert.ok(NAMES.length >= 11));

for (const name of NAMES) {
  const trace = JSON.parse(readFileSync(join(FOLDER, name), "utf8"));
  const decodes = trace.events.filter((event) => event.kind === "decode");
  const model = fold(trace);

  test(`${name}: each decode is one node, with a place and a lane`, () => {
    assert.deepEqual(model.nodes.filter((node) => node.isDecode).map((node) => node.index), decodes.map((event) => event.index).sort((a, b) => a - b));
    assert.equal(layOut(model, 800).boxes.size, model.nodes.length);
    assert.equal(layLanes(model, 800).bars.length, model.nodes.length);
  });

  test(`${name}: the bill is that of the server`, () => {
    const { prompt_tokens, cached_tokens, completion_tokens, aborted_tokens, verifier_tokens, uncounted, depth } = trace.usage;
    const { tokens } = model;
    assert.deepEqual(
      [tokens.prompt, tokens.cached, tokens.completion, tokens.aborted, tokens.verifier, tokens.uncounted, tokens.depth],
      [prompt_tokens, cached_tokens, completion_tokens, aborted_tokens, verifier_tokens, uncounted, depth],
    );
  });

  test(`${name}: the chosen path ends at the answer, and the votes are the last ones`, () => {
    assert.equal(model.path.at(-1), trace.events.at(-1).index);
    assert.equal(model.end.answer, trace.answer);
    const voters = new Map(trace.events.filter((event) => event.kind === "vote").map((event) => [event.index, event]));
    const asked = [...voters.values()].filter(({ answer, index }) => !model.solutions || answer !== null || model.solutions.list.some((node) => node.index === index));
    assert.equal(model.votes.order.length, asked.length);
    assert.ok(explain(model).every((sentence) => sentence.endsWith(".") && !/undefined|null|NaN/.test(sentence)));
  });

  test(`${name}: every moment has as many events as there were`, () => {
    const duration = findDuration(trace);
    for (const until of [0, duration / 3, duration / 2, duration]) {
      const earlier = fold(trace, until);
      assert.equal(earlier.count, trace.events.filter((event) => event.at <= until).length);
      assert.ok(earlier.tokens.completion <= model.tokens.completion);
    }
  });
}
