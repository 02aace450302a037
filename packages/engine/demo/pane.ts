import { styleText } from "node:util";

export type Colour = "cyan" | "magenta" | "yellow" | "green" | "gray";

/** Longer lines are broken, so that what is being written shows before its line has ended. */
const lineCharsMax = 96;

/** Moves of the cursor, which mean nothing where several write; colours stay. */
const moves = /\u001b\[[0-9;?]*[A-HJKSTfhlnsu]/g;

/** What one program writes, as lines with its name before them, among those of the others. */
export class Pane {
  readonly #head: string;
  readonly #write: (line: string) => void;
  #open = "";
  #all = "";

  constructor(name: string, colour: Colour, write: (line: string) => void) {
    this.#head = styleText(colour, `${name.padEnd(9)}│`, { validateStream: false });
    this.#write = write;
  }

  /** Everything so far, as it came. */
  get text(): string {
    return this.#all;
  }

  add(text: string): void {
    this.#all += text;
    const lines = (this.#open + text).replace(moves, "").split(/\r?\n|\r/);
    this.#open = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
    while (this.#open.length > lineCharsMax) {
      const at = this.#open.lastIndexOf(" ", lineCharsMax);
      const cut = at > 0 ? at : lineCharsMax;
      this.#line(this.#open.slice(0, cut));
      this.#open = this.#open.slice(cut).trimStart();
    }
  }

  end(): void {
    this.#line(this.#open);
    this.#open = "";
  }

  /** A prompt with nothing behind it says nothing. */
  #line(line: string): void {
    const shown = line.replace(/^(?:> )+(?=> )/, "").trimEnd();
    if (shown !== "" && shown !== ">") this.#write(`${this.#head} ${shown}`);
  }
}
