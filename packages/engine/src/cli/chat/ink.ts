/** What the chat has to show, before anybody decides where and in what colour. */
export type Ink =
  /** A piece of the reply; pieces follow each other without a break. */
  | { kind: "text" | "reasoning"; text: string }
  /** A tool call or its result: one line. */
  | { kind: "tool"; text: string }
  /** What somebody said. */
  | { kind: "user"; text: string }
  /** Something about the chat: lines of their own. */
  | { kind: "notice" | "error"; text: string }
  /** The reply is over, or what follows is another one. */
  | { kind: "break" };

/**
 * `terminal`: everything goes to the output, in colour. `plain`: the output gets the replies and
 * nothing else, so that it can be piped on; the rest goes to the error output, and thinking nowhere.
 */
export type Style = "terminal" | "plain";

/** What the last piece of the output was: it decides whether the next one needs a new line. */
export interface Page {
  readonly open: "text" | "reasoning" | null;
}

export interface Painted {
  page: Page;
  out: string;
  err: string;
}

export const emptyPage: Page = { open: null };

export function paint(page: Page, inks: readonly Ink[], style: Style): Painted {
  let out = "";
  let err = "";
  let { open } = page;
  const endLine = () => {
    if (open !== null) out += "\n";
    open = null;
  };
  for (const ink of inks) {
    if (ink.kind === "break") {
      endLine();
    } else if (ink.kind === "text" || ink.kind === "reasoning") {
      if (ink.kind === "reasoning" && style === "plain") continue;
      if (open !== ink.kind) endLine();
      const text = clean(ink.text);
      out += ink.kind === "text" ? text : dim(text);
      open = ink.kind;
    } else if (style === "plain") {
      if (ink.kind !== "user") err += `${clean(ink.text)}\n`;
    } else {
      endLine();
      out += `${colour[ink.kind](clean(ink.text))}\n`;
    }
  }
  return { page: { open }, out, err };
}

const dim = (text: string) => `\u001b[2m${text}\u001b[22m`;
const colour = {
  notice: dim,
  tool: (text: string) => `\u001b[36m${text}\u001b[39m`,
  user: (text: string) => `\u001b[1m> ${text.replaceAll("\n", "\n  ")}\u001b[22m`,
  error: (text: string) => `\u001b[31m${text}\u001b[39m`,
};

/** A model, a tool or another user must not be able to drive the terminal: no control characters but these. */
function clean(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");
}

/** Text for one line: line breaks become spaces, and what is too long is cut. */
export function oneLine(text: string, charsMax = 120): string {
  const flat = text.replace(/\s+/g, " ").trim();
  return flat.length <= charsMax ? flat : `${flat.slice(0, charsMax - 1)}…`;
}
