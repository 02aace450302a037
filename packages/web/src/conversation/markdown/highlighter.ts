import { createCodePlugin } from "@streamdown/code";
import type { Token } from "./highlight.ts";

const plugin = createCodePlugin({
  themes: ["github-light-high-contrast", "github-dark-high-contrast"],
});
type Options = Parameters<typeof plugin.highlight>[0];
type Result = NonNullable<ReturnType<typeof plugin.highlight>>;

/** Null where the language is not known. */
export async function highlight(code: string, language: string): Promise<Token[][] | null> {
  if (!isKnown(language)) return null;
  const result = await new Promise<Result>((resolve) => {
    const ready = plugin.highlight({ code, language, themes: plugin.getThemes() }, resolve);
    if (ready !== null) resolve(ready);
  });
  return result.tokens.map((line) =>
    line.map(({ content, color, htmlStyle }) => {
      const light = colourOf(htmlStyle?.["color"] ?? color);
      return { text: content, light, dark: colourOf(htmlStyle?.["--shiki-dark"] ?? light) };
    }),
  );
}

function isKnown(language: string): language is Options["language"] {
  return plugin.supportsLanguage(language as Options["language"]);
}

/** What goes into a style is a colour and nothing else. */
function colourOf(value: string | undefined): string {
  return value !== undefined && /^#[0-9a-f]{3,8}$/i.test(value) ? value : "inherit";
}
