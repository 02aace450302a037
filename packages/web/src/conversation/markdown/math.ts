import { useEffect, useState } from "react";
import type { PluginConfig } from "streamdown";

type MathPlugin = NonNullable<PluginConfig["math"]>;

let loaded: MathPlugin | null = null;
let loading: Promise<MathPlugin> | null = null;

async function load(): Promise<MathPlugin> {
  loaded = (await import("./math-plugin.ts")).plugin;
  return loaded;
}

/** The text with one spelling of formulas, and what sets them: fetched when a text first has one. */
export function useMath(text: string): { text: string; plugin: MathPlugin | null } {
  const wanted = hasMath(text);
  const [plugin, setPlugin] = useState(loaded);
  useEffect(() => {
    if (!wanted || plugin !== null) return;
    loading ??= load();
    let gone = false;
    // Without it a formula is shown as it was written.
    loading.then((ready) => gone || setPlugin(ready)).catch(() => (loading = null));
    return () => void (gone = true);
  }, [wanted, plugin]);
  return { text: wanted ? dollarMath(text) : text, plugin: wanted ? plugin : null };
}

export function hasMath(text: string): boolean {
  return /\$\$|\\\(|\\\[/.test(text);
}

/** `\( … \)` and `\[ … \]` in dollars, everywhere but in code. */
export function dollarMath(text: string): string {
  // Fences, then spans; what is in them stays.
  const code =
    /(^(`{3,}|~{3,})[^\n]*\n[\s\S]*?(?:^\2[^\n]*$|$(?![\s\S]))|(`+)(?!`)[\s\S]*?[^`]\3(?!`))/gm;
  let out = "";
  let at = 0;
  for (const match of text.matchAll(code)) {
    out += inDollars(text.slice(at, match.index)) + match[0];
    at = match.index + match[0].length;
  }
  return out + inDollars(text.slice(at));
}

function inDollars(text: string): string {
  return text
    .replace(/\\\[([\s\S]+?)\\\]/g, (_, formula: string) => `\n$$\n${formula.trim()}\n$$\n`)
    .replace(/\\\(([\s\S]+?)\\\)/g, (_, formula: string) => `$$${formula.trim()}$$`);
}
