// The server's API: the key of this tab, requests, and traces that are followed while they grow.

import { isFinal } from "./fold.mjs";
import { createParser } from "./stream.mjs";

const KEY = "cogitate.key";
const RETRY_MILLISECONDS = 120;
const POLL_MILLISECONDS = 500;
const RECONNECTS = 5;
const MIN_PAUSE_MILLISECONDS = 20;
const MAX_PAUSE_MILLISECONDS = 600;

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export function readKey() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** Keeps the key for this tab, until it is closed. */
export function writeKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

/** Paths are relative, so that the page also works behind a prefix. Throws ApiError. */
export async function send(path, { body, ...options } = {}) {
  const headers = { ...options.headers };
  if (readKey()) headers.Authorization = `Bearer ${readKey()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { ...options, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server cannot be reached.", 0);
  }
  if (!response.ok) throw new ApiError(await readError(response), response.status);
  return response;
}

export async function get(path, options) {
  return (await send(path, options)).json();
}

async function readError(response) {
  try {
    return String((await response.json()).error.message);
  } catch {
    return `The server answered ${response.status}.`;
  }
}

export function fetchTrace(id, signal) {
  return get(`v1/traces/${encodeURIComponent(id)}`, { signal });
}

export function listTraces(signal) {
  return get("v1/traces?limit=50", { signal });
}

export function answerNow(id) {
  return send(`v1/requests/${encodeURIComponent(id)}/answer`, { method: "POST" });
}

export function cancel(id) {
  return send(`v1/requests/${encodeURIComponent(id)}/cancel`, { method: "POST" });
}

/**
 * Calls `onTrace` with the trace as it grows, less often where it is long, and resolves once its search has ended.
 * `mayStart`: whether a trace that is not there yet may still come. `polls`: asks again and again, and leaves no
 * connection open: a browser has six for a server, of which each request that is waited for takes one.
 */
export async function watchTrace(id, onTrace, { signal, mayStart = () => false, polls = false } = {}) {
  let head = await waitForTrace(id, signal, mayStart);
  onTrace(stamp(head));
  if (!polls && !isFinal(head.status)) await drawEvents(id, head, onTrace, signal);
  while (!isFinal(head.status)) {
    if (polls) await wait(POLL_MILLISECONDS);
    head = await fetchTrace(id, signal);
    onTrace(stamp(head));
    polls = true;
  }
}

/** Draws the events of a running search up to its end. */
async function drawEvents(id, head, onTrace, signal) {
  const events = [];
  let timer = 0;
  const draw = () => {
    timer = 0;
    if (!signal?.aborted && events.length >= head.events.length) onTrace(stamp({ ...head, events }));
  };
  await followEvents(id, signal, (event) => {
    events.push(event);
    timer ||= setTimeout(draw, Math.min(MAX_PAUSE_MILLISECONDS, MIN_PAUSE_MILLISECONDS + events.length / 4));
  });
  clearTimeout(timer);
}

/** Notes when a running trace was received, so that its clock goes on. */
function stamp(trace) {
  return isFinal(trace.status) ? trace : { ...trace, receivedAt: performance.now() };
}

function wait(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function waitForTrace(id, signal, mayStart) {
  while (true) {
    const last = !mayStart();
    try {
      return await fetchTrace(id, signal);
    } catch (error) {
      if (error.status !== 404 || last) throw error;
    }
    await wait(RETRY_MILLISECONDS);
  }
}

/** Calls `onEvent` with each event, also across a lost connection. Resolves at the end of the search. */
async function followEvents(id, signal, onEvent) {
  let done = false;
  const parser = createParser((data) => {
    if (data === "[DONE]") done = true;
    else if (!data.startsWith('{"error"')) onEvent(JSON.parse(data));
  });
  for (let attempt = 0; !done && attempt < RECONNECTS; attempt += 1) {
    const headers = parser.lastId === null ? {} : { "Last-Event-ID": parser.lastId };
    const response = await send(`v1/traces/${encodeURIComponent(id)}/events`, { signal, headers });
    try {
      await readAll(response, parser);
    } catch (error) {
      if (error.name === "AbortError") throw error;
    }
    if (!done) await wait(RETRY_MILLISECONDS);
  }
}

async function readAll(response, parser) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) parser.push(part.value);
}

/** A random request id, also where the page is not in a secure context. */
export function createId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
