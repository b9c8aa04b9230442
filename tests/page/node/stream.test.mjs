// Server-sent events, files, options, and the exported file.

import assert from "node:assert/strict";
import test from "node:test";
import { readFileSync, readdirSync } from "node:fs";
import { composeExport, MODULES, STYLES, useNames } from "../../../server/page/static/export.mjs";
import { listFields, readOption } from "../../../server/page/static/options.mjs";
import { createParser, parseTrace, toInlineJson } from "../../../server/page/static/stream.mjs";
import { shorten } from "../../../server/page/static/text.mjs";

const STATIC = new URL("../../../server/page/static/", import.meta.url);

test("events are the same however their bytes are cut", () => {
  const text = ': keep-alive\n\nid: 1\ndata: {"a":1}\n\nid: 2\r\ndata: {"b":\r\ndata: 2}\r\n\r\ndata: [DONE]\n\n';
  for (const size of [1, 3, 7, text.length]) {
    const found = [];
    const parser = createParser((data) => found.push(data));
    for (let at = 0; at < text.length; at += size) parser.push(text.slice(at, at + size));
    assert.deepEqual(found, ['{"a":1}', '{"b":\n2}', "[DONE]"], `in pieces of ${size}`);
    assert.equal(parser.lastId, "2");
  }
});

test("a file that is no trace is refused with the reason", () => {
  assert.throws(() => parseTrace("<html>"), /not JSON/);
  assert.throws(() => parseTrace("[]"), /no trace/);
  assert.equal(parseTrace('{"events":[]}').events.length, 0);
});

test("no text in inline JSON ends its script", () => {
  const hostile = { text: "</script><!-- <script>\u2028&" };
  const json = toInlineJson(hostile);
  assert.doesNotMatch(json, /[<>&\u2028]/);
  assert.deepEqual(JSON.parse(json), hostile);
});

test("an exported file has every module that the page imports, and names no relative path", () => {
  const own = readdirSync(STATIC).filter((name) => name.endsWith(".mjs") && name !== "docs.mjs");
  assert.deepEqual(MODULES.filter((name) => !name.startsWith("vendor/")).sort(), own.sort());
  const read = (names) => names.map((name) => [name, readFileSync(new URL(name, STATIC), "utf8")]);
  for (const [name, source] of read(MODULES)) {
    for (const [, imported] of useNames(source, name).matchAll(/\bfrom\s*"([^"]+)"/g)) {
      assert.ok(imported === "preact" || MODULES.includes(imported.replace("cogitate/", "")), `${name} imports ${imported}`);
    }
  }
  const html = composeExport({ id: "x", events: [], note: "</script>" }, read(MODULES), read(STYLES), "abc");
  assert.equal(html.match(/<\/script>/g).length, 3);
  assert.doesNotMatch(html, /\b(src|href)="/);
});

test("the page asks for all of its modules at once", () => {
  const page = readFileSync(new URL("index.html", STATIC), "utf8");
  const asked = [...page.matchAll(/(?:modulepreload" href|module" src)="page\/([^"]+)"/g)].map(([, name]) => name);
  assert.deepEqual(asked.sort(), [...MODULES].sort());
});

test("options of a schema are fields, and lists are left to the API", () => {
  const properties = {
    name: { const: "x" },
    n: { type: "integer", minimum: 1, maximum: 256, default: 8 },
    rule: { enum: ["a", "b"], default: "a", type: "string" },
    floor: { anyOf: [{ type: "number" }, { type: "null" }], default: null },
    deep: { type: "boolean", default: false },
    models: { type: "array", items: { type: "string" } },
  };
  const { main, rest } = listFields({ properties });
  assert.deepEqual(main.map((field) => field.name), ["n"]);
  assert.deepEqual(rest.map((field) => [field.name, field.kind, field.fallback]), [["rule", "choice", "a"], ["floor", "number", "default"], ["deep", "choice", "false"]]);
  assert.deepEqual([readOption(main[0], "16"), readOption(main[0], ""), readOption(rest[2], "true"), readOption(rest[0], "b")], [16, undefined, true, "b"]);
  assert.deepEqual(listFields(undefined), { main: [], rest: [] });
});

test("long text is cut between letters", () => {
  assert.equal(shorten("a  b\nc", 10), "a b c");
  assert.equal(shorten("😀".repeat(50), 4), "😀😀😀…");
});
