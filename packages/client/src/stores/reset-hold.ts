import type { ChatEvent, Message } from "@parley/protocol";
import type { Runtime, Timer } from "../runtime.ts";
import type { Transcript } from "../transcript.ts";

export interface ResetHoldOptions {
  runtime: Runtime;
  /** Shows what there is. */
  release(): void;
  /** Older messages are on the screen than the stream begins with: fetches those back to this id, then releases. */
  fill(oldestId: number): void;
}

/** Longer than this nobody is shown what was, while what is arrives. */
const holdMsMax = 5_000;

/**
 * What is on the screen stays there while a stream begins anew: a reset empties the transcript, and what follows it may take
 * several frames. Without this the text would vanish for a moment and the view would jump.
 */
export class ResetHold {
  readonly #options: ResetHoldOptions;
  #held: Transcript | null = null;
  #timer: Timer | null = null;
  /** `ready` was said on this connection: it is not said again, not even after a reset. */
  #connectionReady = false;
  #filling = false;

  constructor(options: ResetHoldOptions) {
    this.#options = options;
  }

  /** What to show meanwhile; null: the transcript itself. */
  get held(): Transcript | null {
    return this.#held;
  }

  connecting(): void {
    this.#connectionReady = false;
  }

  /** The transcript to go on with, after a frame; `shown` is what is on the screen. */
  after(events: readonly ChatEvent[], next: Transcript, shown: Transcript): Transcript {
    const empties = events.some(
      (event) => event.type === "history_reset" && event.data.after === undefined,
    );
    const isEmpty = shown.messages.length === 0 && shown.preview === null;
    if (empties && !isEmpty) this.#hold(this.#held ?? shown);
    if (events.some((event) => event.type === "ready")) this.#connectionReady = true;
    if (this.#held === null) return next;
    // The state of a chat follows its messages, and a preview follows the state.
    if (!this.#connectionReady || next.internal.resetting || this.#filling) return next;
    const oldestId = this.#held.messages[0]?.id;
    const isShort = next.hasMore && next.before !== undefined;
    if (oldestId === undefined || !isShort || oldestId >= next.before) return this.end(next);
    this.#filling = true;
    this.#options.fill(oldestId);
    return next;
  }

  /** Lets go of what was; messages that are the same keep their identity, so that views of them do nothing. */
  end(next: Transcript): Transcript {
    const before = this.#held;
    this.drop();
    if (before === null) return next;
    const known = new Map(before.messages.map((message) => [message.id, message]));
    let same = 0;
    const messages = next.messages.map((message) => {
      const held = known.get(message.id);
      if (held === undefined || !isSame(held, message)) return message;
      same += 1;
      return held;
    });
    return same === 0 ? next : { ...next, messages };
  }

  drop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#held = null;
    this.#filling = false;
  }

  #hold(shown: Transcript): void {
    this.drop();
    this.#held = shown;
    const { runtime } = this.#options;
    this.#timer = runtime.timer(holdMsMax, "reset hold", () => this.#options.release());
  }
}

/** Compared whole: after a database was restored, a revision may have been given twice. */
function isSame(a: Message, b: Message): boolean {
  return a.revision === b.revision && JSON.stringify(a) === JSON.stringify(b);
}
