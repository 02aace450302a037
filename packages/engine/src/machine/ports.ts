import type { ChatRow, MessageRow } from "../domain/rows.ts";
import type { Commit } from "../domain/commit.ts";

/** Where committed bundles go. Called only after the commit; must not throw and must not block. */
export interface Publisher {
  published(commits: readonly Commit[]): void;
  /** A commit's answer was lost: it may or may not have happened. Whoever cares looks at the row. */
  perhaps(chatId: string): void;
}

/**
 * A runner that was registered, and its capacity reserved, before the commit that would make it the owner was sent.
 * Exactly one of the three is called.
 */
export interface Reservation {
  readonly worker_id: string;
  readonly runner_id: string;
  /** The runner knows what it would begin with, a plain call of the model: its attempt may be recorded with the commit. */
  readonly beginsAtOnce: boolean;
  /** The commit happened: `chat` names this runner. */
  confirm(chat: ChatRow): void;
  /** It did not. */
  cancel(): void;
  /** Its answer was lost. */
  perhaps(): void;
}

/** How the machine offers a chat that a bundle has just made runnable to the worker of the same replica. */
export interface Acquirer {
  /**
   * Null when this worker takes nothing now: draining, full, others wait, or it cannot run this chat.
   *
   * @param chat as far as it is known before the last statement on it: its versions may be older.
   */
  reserve(chat: ChatRow, how?: Offered): Reservation | null;
}

export interface Offered {
  /** Its turn only waited, and goes on whether there is room or not. */
  readonly resumes: boolean;
  /** How its turn begins, where that is with a user's message and nothing stands between. */
  readonly entered: Entered | null;
}

/** Messages that entered history, the last of them the user's. */
export interface Entered {
  /** The history that they were put behind; null: there was none. */
  readonly from: number | null;
  readonly history_version: number;
  readonly messages: readonly MessageRow[];
}
