/** How many colours a picture has; more lines than that begin anew. */
const plotColours = 6;

/** The colour token of a line, for styles. */
export function plotColour(index: number): string {
  return `var(--color-plot-${(index % plotColours) + 1})`;
}

/** What a style's colour comes to in this theme: a canvas knows no variables. */
export function resolvedColour(style: string, within: Element): string {
  const probe = document.createElement("span");
  probe.style.color = style;
  within.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Calls `changed` when the theme does, by choice or by the system. Returns the way out. */
export function onThemeChange(changed: () => void): () => void {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const choice = new MutationObserver(changed);
  choice.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  system.addEventListener("change", changed);
  return () => {
    choice.disconnect();
    system.removeEventListener("change", changed);
  };
}
