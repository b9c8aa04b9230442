// Starts the page: over the server, or over the one trace that an exported file has in it.

import { render } from "preact";
import { App } from "./app.mjs";
import { html } from "./html.mjs";
import { Saved } from "./replay_view.mjs";

const saved = document.getElementById("trace");
render(saved ? html`<${Saved} trace=${JSON.parse(saved.textContent)} />` : html`<${App} />`, document.getElementById("app"));
