import type { ChatEvent, Message } from "@parley/protocol";
import type { Runtime, Timer } from "../runtime.ts";
import type { Transcript } from "../transcript.ts";

/** Longer than this nobody is shown what was, while what is arrives. */
const holdMsMax = 5_000;

/**
 * What is on the screen stays there while a stream begins anew: a reset empties the transcript, and what follows it may take
 * several frames. Without this the text would vanish for a moment and the view would jump.
 */
export class ResetHold {
  readonly #runtime: Runtime;
  readonly #release: () => void;
  #held: Transcript | null = null;
  #timer: Timer | null = null;
  /** `ready` was said on this connection: it is not said again, not even after a reset. */
  #connectionReady = false;
  /** Older messages are on the screen than the stream begins with: those back to this id are to be fetched. */
  #missing: number | null = null;
  #filling = false;

  /** @param release shows what there is: it has taken too long */
  constructor(runtime: Runtime, release: () => void) {
    this.#runtime = runtime;
    this.#release = release;
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
    this.#missing = oldestId;
    this.#filling = true;
    return next;
  }

  /** The id back to which messages are to be fetched before `end`; null: none, or they are being fetched. */
  takeMissing(): number | null {
    const missing = this.#missing;
    this.#missing = null;
    return missing;
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
    this.#missing = null;
    this.#filling = false;
  }

  #hold(shown: Transcript): void {
    this.drop();
    this.#held = shown;
    this.#timer = this.#runtime.timer(holdMsMax, "reset hold", () => this.#release());
  }
}

/** Compared whole: after a database was restored, a revision may have been given twice. */
function isSame(a: Message, b: Message): boolean {
  return a.revision === b.revision && JSON.stringify(a) === JSON.stringify(b);
}
