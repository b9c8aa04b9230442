// Server-sent events, and traces as text. Pure.

/** Splits text, as it comes, into the data of server-sent events. */
export function createParser(onData) {
  let rest = "";
  let id = null;
  return {
    get lastId() {
      return id;
    },
    push(text) {
      rest += text;
      const events = rest.split(/\r?\n\r?\n/);
      rest = events.pop();
      for (const event of events) {
        const lines = event.split(/\r?\n/);
        const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).replace(/^ /, ""));
        const named = lines.findLast((line) => line.startsWith("id:"));
        if (data.length) onData(data.join("\n"));
        if (named) id = named.slice(3).trim();
      }
    },
  };
}

/** A trace from a file. Throws an Error that says what is wrong with it. */
export function parseTrace(text) {
  let trace;
  try {
    trace = JSON.parse(text);
  } catch {
    throw new Error("This file is not JSON: save a trace by GET /v1/traces/{id}.");
  }
  if (!trace || typeof trace !== "object" || !Array.isArray(trace.events)) {
    throw new Error("This JSON is no trace: it has no list of events.");
  }
  return trace;
}

/** JSON that may stand inside of a script element: no text in it ends that element. */
export function toInlineJson(value) {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
