import type { WatchEvent } from "@parley/protocol";
import type { CommitImage, Mirror } from "./mirror.ts";
import type { Verdict } from "./verdict.ts";

/** Somebody's list, as far as it has to be known here. */
export interface ListSeen {
  readonly name: string;
  readonly ownerId: string;
}

/** Lists of chats: only one's own, only what was committed, and nothing that is deleted comes back. */
export class ListChecker {
  readonly #mirror: Mirror;
  readonly #verdict: Verdict;
  /** What a chat's metadata was at each of its versions. */
  readonly #metadata = new Map<string, string>();
  readonly #deleted = new Set<string>();
  readonly #told = new WeakMap<ListSeen, Set<string>>();

  constructor(mirror: Mirror, verdict: Verdict) {
    this.#mirror = mirror;
    this.#verdict = verdict;
  }

  onCommit(commit: CommitImage): void {
    for (const [id, { now }] of commit.chats) {
      if (now === null) this.#deleted.add(id);
      else this.#metadata.set(`${id} ${now.metadata_version}`, metadataOf(now));
    }
  }

  onEvent(list: ListSeen, event: WatchEvent): void {
    const check = (isTrue: boolean, what: () => string): void =>
      this.#verdict.check("lists", isTrue, () => `${list.name}: ${what()}`);
    if (event.type === "list_reset") this.#told.delete(list);
    if (event.type === "chat_deleted") {
      const { id } = event.data;
      check(this.#deleted.has(id), () => `${id} is said to be deleted, and is there`);
      const told = this.#told.get(list) ?? new Set();
      this.#told.set(list, told.add(id));
    }
    if (event.type !== "chat") return;
    const chat = event.data;
    check(chat.owner_id === list.ownerId, () => `${chat.id} is ${chat.owner_id}'s`);
    check(chat.parent_chat_id === null, () => `${chat.id} is a sub-agent`);
    check(!this.#told.get(list)?.has(chat.id), () => `${chat.id} came back after it was deleted`);
    const known = this.#metadata.get(`${chat.id} ${chat.metadata_version}`);
    check(
      known === metadataOf(chat),
      () => `${chat.id} is shown as ${metadataOf(chat)}, not ${known}`,
    );
    const now = this.#mirror.chats.get(chat.id);
    check(
      now === undefined || chat.snapshot_version <= now.snapshot_version,
      () =>
        `${chat.id} is shown at ${chat.snapshot_version}, and has come to ${now?.snapshot_version}`,
    );
  }
}

/** What counts as metadata of its version. The rest of a list's row moves with the snapshot. */
function metadataOf(chat: {
  readonly title: string | null;
  readonly pinned: boolean;
  readonly labels: Readonly<Record<string, string>>;
}): string {
  const labels = Object.entries(chat.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([chat.title, chat.pinned, labels]);
}
