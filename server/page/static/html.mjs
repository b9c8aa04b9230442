// Templates, and hooks that several parts use.

import { h } from "preact";
import htm from "./vendor/htm/htm.mjs";
import { useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact/hooks.mjs";

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

/** The window's title while a part of the page is shown; null: the page's own. */
export function useTitle(title) {
  useEffect(() => {
    if (!title) return undefined;
    const before = document.title;
    document.title = title;
    return () => {
      document.title = before;
    };
  }, [title]);
}

/** Moves the focus from the list of searches, where one was chosen, to the heading of that search once it is there. */
export function useFocusFromList(id) {
  useEffect(() => {
    if (id !== undefined && document.activeElement?.closest(".list")) document.querySelector("main > .trace .answer")?.focus();
  }, [id]);
}

/** A name that a narrow column may break after its underscores. */
export function breakName(name) {
  return String(name)
    .split(/(?<=_)/)
    .flatMap((part, at) => (at ? [html`<wbr />`, part] : [part]));
}
