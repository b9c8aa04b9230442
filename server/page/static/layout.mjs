// Where each node of a search is drawn. Pure: widths in, rectangles out.
//
// A search over steps, or a text that is revised, is a tree from left to right: a bar for each decode, as long as its
// tokens, that begins where its parent ends. Candidates that only vote are bars in columns, a column for each answer.

import { cluster, hierarchy } from "./vendor/d3-hierarchy/d3-hierarchy.mjs";
import { weigh } from "./votes.mjs";

const MIN_BAR = 7;
const GAP = 14;
const HEAD = 22;
const MAX_ROWS = 24;
const NAMES = { dropped: "never decoded" };

/** Rectangles by index, links, and headings, inside of `width` pixels where that is possible. */
export function layOut(model, width) {
  return isFlat(model) ? layColumns(model, width) : layTree(model, width);
}

/** Whether no candidate continues another. */
export function isFlat({ nodes, votes, strategy }) {
  const roots = nodes.filter((node) => node.parent === null && node.role !== "verifier" && node.role !== "extraction");
  const isTree = nodes.some((node) => node.parent !== null && (node.role === "candidate" || node.role === "step"));
  return !isTree && roots.length > 1 && (votes.order.length > 0 || roots.length > 12 || strategy === "best_of_n");
}

/** Pixels from one row to the next: less where there are many. */
export function choosePitch(rows) {
  return rows <= 40 ? 18 : rows <= 100 ? 13 : 9;
}

function layTree({ nodes, firstRoot }, width) {
  const roots = nodes.filter((node) => node.parent === null);
  const root = hierarchy({ children: roots.sort((a, b) => (b.index === firstRoot) - (a.index === firstRoot)) });
  const pitch = choosePitch(root.leaves().length);
  cluster().nodeSize([1, 1]).separation(() => 1)(root);
  const longest = measureLongest(root);
  const scale = Math.max(0.05, (width - longest.levels * (GAP + MIN_BAR)) / Math.max(1, longest.tokens));
  const rows = root.leaves().map((leaf) => leaf.x);
  const top = Math.min(...rows, 0);
  const boxes = new Map();
  const links = [];
  root.eachBefore((item) => {
    if (item === root) return;
    const node = item.data;
    const before = boxes.get(item.parent.data.index);
    const x = before ? before.x + before.width + GAP : 1;
    const thin = node.role === "verifier" || node.role === "extraction";
    const height = Math.max(4, pitch - (thin ? 9 : 6));
    const y = 4 + (item.x - top) * pitch + (pitch - height) / 2;
    const box = { node, x, y, width: MIN_BAR + Math.max(0, node.tokens) * scale, height };
    boxes.set(node.index, box);
    if (before) links.push({ from: before, to: box });
  });
  return { kind: "tree", boxes, links, headings: [], ...measure(boxes) };
}

/** The longest path to a leaf, in tokens and in levels. */
function measureLongest(root) {
  let [tokens, levels] = [0, 0];
  root.eachBefore((item) => {
    item.reach = (item.parent?.reach ?? 0) + (item.data.tokens ?? 0);
    tokens = Math.max(tokens, item.reach);
    levels = Math.max(levels, item.depth);
  });
  return { tokens, levels };
}

function layColumns(model, width) {
  const groups = groupCandidates(model);
  const count = Math.max(...groups.map((group) => group.rows.length), 1);
  const pitch = choosePitch(Math.min(count, 60) + model.nodes.length / 8);
  const slots = groups.reduce((sum, group) => sum + Math.ceil(group.rows.length / MAX_ROWS), 0);
  const slot = Math.min(190, Math.max(84, Math.floor(width / Math.max(1, slots))));
  const scale = (slot - 26) / Math.max(1, ...groups.flatMap((group) => group.rows.map(countRow)));
  const boxes = new Map();
  const headings = [];
  let [left, top, tallest] = [0, 0, 0];
  for (const group of groups) {
    const columns = Math.ceil(group.rows.length / MAX_ROWS);
    const fit = Math.max(1, Math.min(columns, Math.floor(width / slot)));
    const rows = Math.ceil(group.rows.length / fit);
    if (left > 0 && left + fit * slot > width + 1) [left, top, tallest] = [0, top + tallest + 12, 0];
    headings.push({ ...group.heading, x: left, y: top + 13, width: fit * slot - 12 });
    group.rows.forEach((row, at) => {
      let x = left + Math.floor(at / rows) * slot;
      for (const node of row) {
        const box = { node, x, y: top + HEAD + (at % rows) * pitch, width: MIN_BAR + node.tokens * scale, height: pitch - 5 };
        boxes.set(node.index, box);
        x += box.width + 3;
      }
    });
    left += fit * slot;
    tallest = Math.max(tallest, HEAD + rows * pitch);
  }
  return { kind: "columns", boxes, links: [], headings, ...measure(boxes), width };
}

/** Rows of candidates with what was decoded about them, by the answer that they vote for; the leading answer is first. */
function groupCandidates({ nodes, votes }) {
  const groups = votes.classes.map((one) => ({ key: one.group, rows: [], heading: { text: one.answer ?? "", one } }));
  const byKey = new Map(groups.map((group) => [group.key, group]));
  const extra = (key, text) => {
    if (!byKey.has(key)) byKey.set(key, { key, rows: [], heading: { text, one: null } });
    return byKey.get(key);
  };
  for (const node of nodes.filter((each) => each.parent === null)) {
    const row = [node, ...node.children.flatMap((child) => [child, ...child.children])];
    findGroup(node, byKey, extra).rows.push(row);
  }
  for (const group of groups) group.rows.sort((a, b) => weigh(b[0]) - weigh(a[0]) || a[0].index - b[0].index);
  return [...byKey.values()].filter((group) => group.rows.length);
}

function findGroup(node, byKey, extra) {
  if (node.role === "verifier") return extra("verdicts", "verdicts");
  if (node.role === "extraction") return extra("extractions", "read-outs");
  if (node.vote && byKey.has(node.vote.group)) return byKey.get(node.vote.group);
  if (node.vote) return extra("abstains", "no answer");
  if (node.state === "running") return extra("running", "running");
  return node.state === "done" ? extra("done", "not counted") : extra(node.state, NAMES[node.state] ?? node.state);
}

function countRow(row) {
  return row.reduce((sum, node) => sum + node.tokens, 0);
}

function measure(boxes) {
  let [width, height] = [0, 0];
  for (const box of boxes.values()) {
    width = Math.max(width, box.x + box.width + 4);
    height = Math.max(height, box.y + box.height + 6);
  }
  return { width, height };
}

/** The index that an arrow key leads to from `index`; the same one where there is none. */
export function findNeighbour(layout, index, key) {
  const from = layout.boxes.get(index);
  const all = [...layout.boxes.values()];
  const ordered = layout.kind === "tree" ? all.filter((box) => box.node.role !== "verifier" || box === from) : all;
  if (!from || key === "Home") return ordered[0]?.node.index ?? index;
  if (key === "End") return ordered.at(-1).node.index;
  if (layout.kind === "tree") return findInTree(ordered, from, key);
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key] ?? [0, 0];
  let [best, nearest] = [index, Infinity];
  for (const box of ordered) {
    const [x, y] = [box.x - from.x, centre(box) - centre(from)];
    const ahead = x * dx + y * dy;
    if (ahead <= 0.5) continue;
    const distance = ahead + 4 * Math.abs(dx ? y : x);
    if (distance < nearest) [best, nearest] = [box.node.index, distance];
  }
  return best;
}

/** Left to the parent, right to the first child that is no verdict, and up and down in the order of the tree. */
function findInTree(ordered, { node }, key) {
  if (key === "ArrowLeft") return node.parent ?? node.index;
  if (key === "ArrowRight") return node.children.find((child) => child.role !== "verifier")?.index ?? node.index;
  const at = ordered.findIndex((box) => box.node === node);
  return (ordered[at + (key === "ArrowDown" ? 1 : -1)] ?? ordered[at]).node.index;
}

function centre(box) {
  return box.y + box.height / 2;
}
