// The frame: the three ways in, and the key.

import { readKey, writeKey } from "./api.mjs";
import { AskView } from "./ask_view.mjs";
import { Hatch } from "./hatch.mjs";
import { html } from "./html.mjs";
import { ReplayView } from "./replay_view.mjs";
import { useEffect, useState } from "./vendor/preact/hooks.mjs";
import { WatchView } from "./watch_view.mjs";

// What is asked goes on while another view is shown.
const VIEWS = { ask: null, watch: WatchView, replay: ReplayView };
const NAMES = { ask: "Ask", watch: "Watch", replay: "Replay" };

export function App() {
  const { view, id } = useRoute();
  const [key, setKey] = useState(readKey());
  const [asksForKey, setAsksForKey] = useState(false);
  const keepKey = (value) => {
    writeKey(value);
    setKey(value);
    setAsksForKey(false);
  };
  const askForKey = () => setAsksForKey(true);
  const View = VIEWS[view];
  return html`
    <header class="top">
      <h1><a class="brand" href="#/ask"><${Mark} /> Cogitate</a></h1>
      <nav aria-label="Views">
        ${Object.keys(VIEWS).map(
          (name) => html`<a href=${`#/${name}`} aria-current=${name === view ? "page" : null}>${NAMES[name]}</a>`,
        )}
      </nav>
      <span class="grow"></span>
      <button class="quiet" aria-expanded=${asksForKey} onClick=${() => setAsksForKey(!asksForKey)}>
        ${key ? "Key set" : "API key"}
      </button>
      <a class="quiet" href="docs">API</a>
    </header>
    ${asksForKey && html`<${KeyForm} value=${key} onKeep=${keepKey} />`}
    <${Hatch} />
    <main>
      <div hidden=${view !== "ask"}><${AskView} key=${key} onUnauthorized=${askForKey} /></div>
      ${View && html`<${View} id=${id} key=${`${view} ${key}`} onUnauthorized=${askForKey} />`}
    </main>
  `;
}

function KeyForm({ value, onKeep }) {
  const submit = (event) => {
    event.preventDefault();
    onKeep(new FormData(event.target).get("key").trim());
  };
  return html`
    <form class="key" onSubmit=${submit}>
      <label for="key">API key</label>
      <input id="key" name="key" type="password" autocomplete="off" spellcheck=${false} defaultValue=${value} autofocus />
      <button>Keep for this tab</button>
      ${value && html`<button type="button" class="quiet" onClick=${() => onKeep("")}>Forget</button>`}
    </form>
  `;
}

function Mark() {
  return html`<svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
    <path class="other" d="M4 16h6c5 0 4-10 10-10h8M10 16h18" />
    <path class="best" d="M4 16h6c5 0 4 10 10 10h8" />
  </svg>`;
}

/** The view and the id of `#/view/id`. */
function useRoute() {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const change = () => setHash(location.hash);
    addEventListener("hashchange", change);
    return () => removeEventListener("hashchange", change);
  }, []);
  const [, view, ...id] = hash.split("/");
  return { view: Object.hasOwn(VIEWS, view ?? "") ? view : "ask", id: decodeId(id.join("/")) };
}

function decodeId(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
