/**
 * A page for React to draw on, without the network of one: what the client sends goes through Node's own `fetch` and
 * WebSocket. Import it before anything that imports React DOM.
 */
import { Window } from "happy-dom";

export const window = new Window({ url: "http://localhost/" });

export const { document } = window;

const names = [
  "document",
  "location",
  "FormData",
  "Node",
  "Element",
  "HTMLElement",
  "HTMLIFrameElement",
  "HTMLInputElement",
  "DocumentFragment",
  "MutationObserver",
  "getComputedStyle",
] as const;

Object.defineProperty(globalThis, "window", { value: window, configurable: true });
for (const name of names) {
  Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
}
