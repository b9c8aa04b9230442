// The API's documentation: Swagger UI over this server's own OpenAPI document, with the key of this tab.

import { readKey, send, writeKey } from "./api.mjs";

const form = document.getElementById("key");
form.addEventListener("submit", (event) => {
  event.preventDefault();
  writeKey(document.getElementById("key-input").value.trim());
  show();
});
document.documentElement.classList.toggle("dark-mode", matchMedia("(prefers-color-scheme: dark)").matches);
show();

async function show() {
  try {
    draw(await (await send("openapi.json")).json());
    form.hidden = true;
  } catch (error) {
    form.hidden = false;
    form.querySelector("output").textContent = error.message;
  }
}

function draw(spec) {
  const base = new URL(".", location.href).pathname.replace(/\/$/, "");
  if (!spec.servers?.length) spec.servers = [{ url: base || "/" }];
  globalThis.SwaggerUIBundle({
    spec,
    dom_id: "#docs",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    requestInterceptor(request) {
      if (readKey()) request.headers.Authorization ??= `Bearer ${readKey()}`;
      return request;
    },
  });
}
