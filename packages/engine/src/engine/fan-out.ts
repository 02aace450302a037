import type { Bus } from "../bus/bus.ts";
import type { ChatHint, Commit } from "../domain/commit.ts";
import { isRunnable } from "../domain/state.ts";
import type { HttpServer } from "../http/server.ts";
import type { Publisher } from "../machine/ports.ts";
import type { PartBuffer } from "../parts/part-buffer.ts";
import type { ChatStreams } from "../stream/streams.ts";
import type { ChatWatch } from "../stream/watch.ts";
import type { Titles } from "../titles/titles.ts";
import type { SubAgentService } from "../worker/sub-agents/service.ts";
import type { Worker } from "../worker/worker.ts";

interface Listeners {
  readonly parts: Pick<PartBuffer, "onCommits">;
  readonly worker: Pick<Worker, "onCommits" | "onHint" | "perhaps" | "resync">;
  readonly subAgents: Pick<SubAgentService, "onCommits" | "onHint">;
  readonly streams: Pick<ChatStreams, "committed" | "perhaps" | "hint" | "lookAtAll">;
  readonly titles: Pick<Titles, "onCommits">;
  readonly watch: Pick<ChatWatch, "committed" | "hint" | "lookAtAll">;
  readonly http: Pick<HttpServer, "onCommits" | "onHint">;
}

/** What was committed goes to this replica's runners, feeds and waiting requests in memory, and as hints to the others. */
export class FanOut implements Publisher {
  readonly #bus: Bus;
  #listeners: Listeners | null = null;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** Once, when everything is there: the machine is made before those who listen to it. */
  wire(listeners: Listeners): void {
    this.#listeners = listeners;
    const { worker, subAgents, streams, watch, http } = listeners;
    this.#bus.subscribe({
      hint(hint) {
        streams.hint(hint);
        worker.onHint(hint);
        subAgents.onHint(hint);
        watch.hint(hint);
        http.onHint(hint);
      },
      resync() {
        streams.lookAtAll();
        worker.resync();
        watch.lookAtAll();
      },
    });
  }

  published(commits: readonly Commit[]): void {
    const { parts, worker, subAgents, streams, watch, titles, http } = this.#listeners ?? {};
    // Feeds first: they say that a turn begins before its first part comes.
    streams?.committed(commits);
    parts?.onCommits(commits);
    worker?.onCommits(commits);
    subAgents?.onCommits(commits);
    watch?.committed(commits);
    titles?.onCommits(commits);
    http?.onCommits(commits);
    for (const commit of commits) this.#bus.publish(hintOf(commit));
  }

  perhaps(chatId: string): void {
    this.#listeners?.streams.perhaps(chatId);
    this.#listeners?.worker.perhaps(chatId);
  }
}

function hintOf({ chat, deleted }: Commit): ChatHint {
  return {
    chat_id: chat.id,
    // A deleted chat has no row: one more than its last snapshot makes everybody look.
    snapshot_version: deleted ? chat.snapshot_version + 1 : chat.snapshot_version,
    metadata_version: chat.metadata_version,
    unowned: !deleted && chat.worker_id === null && isRunnable(chat),
  };
}
