import { CursorPrefix, type CursorScope, type Position, type PreviewPosition } from "./cursor.ts";
import type { EncodedEvent } from "./ports.ts";

type Episode = Pick<PreviewPosition, "history_version" | "generation_attempt">;

/** What the events of all live parts of an episode have in common, for subscribers whose cursors are the same. */
export class LiveLine extends CursorPrefix {
  /** What stands before the seq in the cursor, between there and the seq in the data, and before that in the data alone. */
  readonly #head: string;
  readonly #middle: string;
  readonly #data: string;

  /** `position`: of the episode's parts, but for their seq. */
  constructor(scope: CursorScope, position: Position, episode: Episode) {
    const { history_version, generation_attempt } = episode;
    super(scope, position);
    this.#data = `{"history_version":${history_version},"generation_attempt":${generation_attempt},"seq":`;
    // Cursors are made of letters, digits, dots and dashes: nothing to escape. Joined, so that no part copies them piece
    // by piece.
    this.#head = ['{"type":"message_part","cursor":"', this.text].join("");
    this.#middle = ['","data":', this.#data].join("");
  }

  json(seq: number, part: string): string {
    return `${this.#head}${this.tail(seq)}${this.#middle}${seq},"part":${part}}}`;
  }

  dataJson(seq: number, part: string): string {
    return `${this.#data}${seq},"part":${part}}`;
  }
}

/** One live part, for those on one line. There are thousands a second, so nothing is made of it but its text. */
export class LiveEvent implements EncodedEvent {
  readonly type = "message_part";
  readonly #line: LiveLine;
  readonly #seq: number;
  readonly #part: string;
  readonly isPlain: boolean;
  #json: string | undefined;

  /** `part`: its JSON; `isPlain`: which is known to be ASCII. */
  constructor(line: LiveLine, seq: number, part: string, isPlain: boolean) {
    this.#line = line;
    this.#seq = seq;
    this.#part = part;
    this.isPlain = isPlain;
  }

  get cursor(): string {
    return this.#line.cursor(this.#seq);
  }

  json(): string {
    this.#json ??= this.#line.json(this.#seq, this.#part);
    return this.#json;
  }

  dataJson(): string {
    return this.#line.dataJson(this.#seq, this.#part);
  }
}
