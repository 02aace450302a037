import type { ChatHint, Commit } from "../domain/commit.ts";
import { Wake } from "../lib/wake.ts";

/** Tells who waits for a chat that something may have changed: a hint to look, never more. */
export class ChatSignals {
  readonly #waiting = new Map<string, Set<Wake>>();

  committed(commits: readonly Commit[]): void {
    for (const commit of commits) this.#wake(commit.chat.id);
  }

  hint(hint: ChatHint): void {
    this.#wake(hint.chat_id);
  }

  /** A flag that is set with every change of any of these chats from now on, until `stop`. */
  follow(...chatIds: string[]): { readonly wake: Wake; stop(): void } {
    const wake = new Wake();
    const stops = chatIds.map((chatId) => this.#add(chatId, wake));
    return {
      wake,
      stop: () => {
        for (const stop of stops) stop();
      },
    };
  }

  #add(chatId: string, wake: Wake): () => void {
    const wakes = this.#waiting.get(chatId) ?? new Set<Wake>();
    this.#waiting.set(chatId, wakes);
    wakes.add(wake);
    return () => {
      wakes.delete(wake);
      if (wakes.size === 0 && this.#waiting.get(chatId) === wakes) this.#waiting.delete(chatId);
    };
  }

  #wake(chatId: string): void {
    for (const wake of this.#waiting.get(chatId) ?? []) wake.set();
  }
}
