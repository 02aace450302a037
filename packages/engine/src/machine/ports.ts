import type { ChatRow } from "../domain/rows.ts";
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
   * @param resumes its turn only waited, and goes on whether there is room or not.
   */
  reserve(chat: ChatRow, resumes?: boolean): Reservation | null;
}
