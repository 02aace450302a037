import { createInterface } from "node:readline";
import { LineSource } from "./line-source.ts";

/** A person at a keyboard: a prompt at the bottom, and output that does not run through what is being typed. */
export interface Terminal {
  lines: AsyncIterable<string>;
  /** Written at once, or when the line that is being typed is finished. */
  write(text: string): void;
  /** The chat is idle: the prompt belongs on the screen. */
  showPrompt(): void;
  /** Drops what is being typed. */
  clearLine(): void;
  close(): void;
}

export interface TerminalOptions {
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
  /** Ctrl-C; `typing` while there is something on the line. */
  onInterrupt(typing: boolean): void;
  /** The input has ended, or `close` was called. */
  onClose(): void;
}

const prompt = "> ";
const eraseLine = "\r\u001b[K";
// A colour may end after the line does.
// oxlint-disable-next-line no-control-regex -- the escape that begins a colour
const endsLine = /\n(?:\u001b\[\d+m)*$/;

export function openTerminal(options: TerminalOptions): Terminal {
  const { input, output } = options;
  const lines = new LineSource();
  const readline = createInterface({ input, output, terminal: true, prompt, historySize: 500 });
  let prompting = false;
  let held = "";
  let midLine = false;
  /** The prompt broke a line of output: the line break that is to end it has been written. */
  let broken = false;
  let closed = false;

  function put(text: string): void {
    const rest = broken && text.startsWith("\n") ? text.slice(1) : text;
    broken = false;
    if (rest === "") return;
    output.write(rest);
    midLine = !endsLine.test(rest);
  }

  function hidePrompt(): void {
    if (prompting) output.write(eraseLine);
    prompting = false;
  }

  function showPrompt(): void {
    if (prompting || closed) return;
    if (midLine) {
      output.write("\n");
      midLine = false;
      broken = true;
    }
    readline.prompt(true);
    prompting = true;
  }

  function flush(): void {
    const text = held;
    held = "";
    put(text);
  }

  // Before readline's own: what is typed belongs behind the prompt.
  const beforeKey = (_: unknown, key?: { name?: string; ctrl?: boolean }) => {
    const types = key?.ctrl !== true && key?.name !== "return" && key?.name !== "enter";
    if (types) showPrompt();
  };
  const afterKey = () => {
    if (!prompting || readline.line !== "" || held === "") return;
    hidePrompt();
    flush();
  };
  input.prependListener("keypress", beforeKey);
  input.on("keypress", afterKey);

  readline.on("line", (line) => {
    prompting = false;
    midLine = false;
    flush();
    lines.push(line);
  });
  readline.on("SIGINT", () => options.onInterrupt(readline.line !== ""));
  readline.on("close", () => {
    closed = true;
    input.off("keypress", beforeKey);
    input.off("keypress", afterKey);
    flush();
    lines.end();
    options.onClose();
  });

  return {
    lines,
    write(text) {
      if (text === "") return;
      if (prompting && readline.line !== "") {
        held += text;
        return;
      }
      hidePrompt();
      put(text);
    },
    showPrompt,
    clearLine() {
      readline.write(null, { ctrl: true, name: "e" });
      readline.write(null, { ctrl: true, name: "u" });
    },
    close() {
      hidePrompt();
      if (midLine) output.write("\n");
      midLine = false;
      readline.close();
    },
  };
}
