import type {
  EpisodeKey,
  EpisodeListener,
  EpisodeSource,
  EpisodeView,
  Following,
} from "../../parts/ports.ts";
import type { RelayLinks } from "./links.ts";

export interface ReplicaEpisodesOptions {
  /** The part buffer. */
  readonly local: EpisodeSource;
  /** Null where this replica is alone. */
  readonly remote: Pick<RelayLinks, "follow"> | null;
  /** Whether this is, or was, the worker of this replica. */
  readonly isLocal: (workerId: string) => boolean;
}

/** Episodes wherever they are: of our own worker from memory, of others over their links. */
export class ReplicaEpisodes implements EpisodeSource {
  readonly #options: ReplicaEpisodesOptions;

  constructor(options: ReplicaEpisodesOptions) {
    this.#options = options;
  }

  newestWithParts(chatId: string, historyVersion: number): EpisodeView | undefined {
    return this.#options.local.newestWithParts(chatId, historyVersion);
  }

  follow(
    ownerWorkerId: string | null,
    key: EpisodeKey,
    fromSeq: number,
    listener: EpisodeListener,
  ): Following {
    const { local, remote, isLocal } = this.#options;
    if (ownerWorkerId === null || remote === null || isLocal(ownerWorkerId)) {
      return local.follow(ownerWorkerId, key, fromSeq, listener);
    }
    return remote.follow(ownerWorkerId, key, fromSeq, listener);
  }
}
