import type { CommitImage, Mirror } from "./mirror.ts";
import type { Verdict } from "./verdict.ts";

/** Invariant 3: a queued message is answered exactly once, or taken away by somebody who may. */
export class QueueChecker {
  readonly #verdict: Verdict;
  readonly #mirror: Mirror;
  readonly #entered = new Map<string, number>();

  constructor(mirror: Mirror, verdict: Verdict) {
    this.#mirror = mirror;
    this.#verdict = verdict;
  }

  onCommit(commit: CommitImage): void {
    const { statements } = commit.committed;
    const userTook = statements.some(
      (name) => name === "chat_queue.take" || name === "chat_queue.clear",
    );
    const deleted = statements.includes("chats.delete");
    const entered = new Set<string>();
    for (const { was, now } of commit.messages.values()) {
      if (was === null && now?.role === "user" && now.client_id !== null) {
        entered.add(now.client_id);
        this.#enter(now.client_id, now.id, now.chat_id);
      }
    }
    for (const { was, now } of commit.queue.values()) {
      if (was === null || now !== null || was.client_id === null) continue;
      this.#verdict.check(
        "queue",
        entered.has(was.client_id) || userTook || deleted,
        () => `queued message ${was.id} (${was.client_id}) vanished by ${statements.join(", ")}`,
      );
    }
    for (const [id, { was, now }] of commit.chats) {
      if (was === null || now === null || now.turn_message_id === was.turn_message_id) continue;
      const newer = (now.turn_message_id ?? 0) > (was.turn_message_id ?? 0);
      this.#verdict.check(
        "queue",
        newer,
        () => `chat ${id}: turn ${was.turn_message_id} was followed by ${now.turn_message_id}`,
      );
    }
  }

  /** Nobody's message enters history twice; a copy of a fork is in another chat, an edit's has a name of its own. */
  #enter(clientId: string, id: number, chatId: string): void {
    const key = `${chatId} ${clientId}`;
    const before = this.#entered.get(key);
    this.#verdict.check(
      "queue",
      before === undefined,
      () => `${clientId} entered chat ${chatId} as message ${before} and as ${id}`,
    );
    this.#entered.set(key, id);
  }

  /** Whoever was told that his message is there finds it, unless somebody took it away. */
  acknowledged(clientId: string): void {
    this.#verdict.check(
      "acknowledged",
      this.#mirror.clientIds.has(clientId),
      () => `${clientId} was acknowledged, and is nowhere`,
    );
  }
}
