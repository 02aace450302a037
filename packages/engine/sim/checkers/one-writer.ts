import type { CommitImage, ChatImage } from "./mirror.ts";
import type { Verdict } from "./verdict.ts";

/**
 * Invariant 2: only the runner that the row names commits work. Who a worker is, is learned from the transaction in
 * which it first takes a chat; whose an attempt is, from the one that records it.
 */
export class OneWriter {
  readonly #verdict: Verdict;
  readonly #processOf = new Map<string, string>();
  readonly #runnerOf = new Map<string, string | null>();

  constructor(verdict: Verdict) {
    this.#verdict = verdict;
  }

  onCommit(commit: CommitImage): void {
    const { process } = commit.committed;
    for (const [id, { was, now }] of commit.chats) {
      if (now === null) continue;
      this.#learn(now, was, process.name);
      const isNew =
        now.generation_attempt !== was?.generation_attempt ||
        now.history_version !== was.history_version;
      if (now.generation_attempt > 0 && isNew) {
        this.#runnerOf.set(
          attemptOf(id, now.history_version, now.generation_attempt),
          now.runner_id,
        );
        // One that a budget refused ends its turn in the same bundle: then the owner is named as the row was.
        const owned = now.status === "running" ? now : (was ?? now);
        this.#byOwner(owned, process.name, "recorded an attempt");
      }
      if (was !== null && isWorkersEnd(was, now))
        this.#byOwner(was, process.name, `ended ${was.status}`);
    }
    this.#messages(commit);
  }

  #learn(now: ChatImage, was: ChatImage | null, process: string): void {
    const { worker_id } = now;
    if (worker_id === null || worker_id === was?.worker_id) return;
    const known = this.#processOf.get(worker_id);
    if (known === undefined) this.#processOf.set(worker_id, process);
    else {
      this.#verdict.check(
        "one-writer",
        known === process,
        () => `${process} took chat ${now.id} as worker ${worker_id}, who is ${known}`,
      );
    }
  }

  #byOwner(owned: ChatImage, process: string, what: string): void {
    const owner = owned.worker_id === null ? null : this.#processOf.get(owned.worker_id);
    this.#verdict.check(
      "one-writer",
      owner === process,
      () => `${process} ${what} of chat ${owned.id}, which is ${owner ?? "nobody"}'s`,
    );
  }

  /** What a model or a tool said is committed by the runner that asked for it, on the history that it knew. */
  #messages(commit: CommitImage): void {
    for (const { was, now } of commit.messages.values()) {
      if (was !== null || now === null || now.episode === null) continue;
      const chat = commit.chats.get(now.chat_id)?.was;
      // A fork copies what others said.
      if (!chat || chat.status !== "running" || now.visibility !== "both") continue;
      if (now.finish_reason === "interrupted") continue;
      const { history_version, generation_attempt } = now.episode;
      this.#byOwner(chat, commit.committed.process.name, `committed message ${now.id}`);
      this.#verdict.check(
        "one-writer",
        history_version === chat.history_version,
        () =>
          `message ${now.id} was made from history ${history_version}, not ${chat.history_version}`,
      );
      const runner = this.#runnerOf.get(attemptOf(chat.id, history_version, generation_attempt));
      this.#verdict.check(
        "one-writer",
        runner === chat.runner_id,
        () => `message ${now.id} was made by runner ${runner}, and the row names ${chat.runner_id}`,
      );
    }
  }
}

function attemptOf(chatId: string, history: number, attempt: number): string {
  return `${chatId}/${history}/${attempt}`;
}

/** Moves that only a worker makes. */
function isWorkersEnd(was: ChatImage, now: ChatImage): boolean {
  if (was.status === "running") {
    return ["waiting", "requires_action", "error"].includes(now.status);
  }
  return was.status === "interrupting" && ["waiting", "error"].includes(now.status);
}
