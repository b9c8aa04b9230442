// Hatching for bars without a score. Its address belongs to the document: a style sheet's would be that of the sheet.

import { html } from "./html.mjs";

export const HATCH = "url(#hatch)";

export function Hatch() {
  return html`<defs>
    <pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatching" d="M1 0V5" /></pattern>
  </defs>`;
}
