// Hatching for bars without a score: once on the page, in no part that may be hidden, since a hidden pattern draws nothing.
// Bars name it in their own style: an address in a style sheet would be that of the sheet.

import { html } from "./html.mjs";

export const HATCH = "url(#hatch)";

export function Hatch() {
  return html`<svg width="0" height="0" aria-hidden="true">
    <pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatching" d="M1 0V5" /></pattern>
  </svg>`;
}
