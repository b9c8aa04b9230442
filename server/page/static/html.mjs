// Templates, and hooks that several parts use.

import { h } from "preact";
import htm from "./vendor/htm/htm.mjs";
import { useLayoutEffect, useRef, useState } from "./vendor/preact/hooks.mjs";

export const html = htm.bind(h);

/** A ref for an element, and its width in pixels as it changes; 0 before it is drawn. */
export function useWidth() {
  const ref = useRef(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** A name that a narrow column may break after its underscores. */
export function breakName(name) {
  return String(name)
    .split(/(?<=_)/)
    .flatMap((part, at) => (at ? [html`<wbr />`, part] : [part]));
}
