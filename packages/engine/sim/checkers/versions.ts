import type { ChatImage, CommitImage, Net } from "./mirror.ts";
import type { Verdict } from "./verdict.ts";

/** Invariant 7: versions tell the truth. Judged of every transaction that is in force. */
export function checkVersions(commit: CommitImage, verdict: Verdict): void {
  for (const [id, net] of commit.chats) {
    if (net.was !== null && net.now !== null) checkMoved(id, net.was, net.now, commit, verdict);
  }
  for (const { now } of commit.messages.values()) {
    const chat = now && commit.chats.get(now.chat_id)?.now;
    if (!now || !chat) continue;
    verdict.check(
      "versions",
      now.revision === chat.snapshot_version,
      () => `message ${now.id} has revision ${now.revision} in snapshot ${chat.snapshot_version}`,
    );
  }
}

function checkMoved(
  id: string,
  was: ChatImage,
  now: ChatImage,
  commit: CommitImage,
  verdict: Verdict,
): void {
  const check = (isTrue: boolean, what: string): void =>
    verdict.check("versions", isTrue, () => `chat ${id}: ${what} (${said(was)} -> ${said(now)})`);
  const moved = now.snapshot_version - was.snapshot_version;
  check(moved === 0 || moved === 1, "the snapshot moves by one for each bundle");
  const ofChat = (nets: ReadonlyMap<string, Net<{ readonly chat_id: string }>>): boolean =>
    [...nets.values()].some((net) => (net.now ?? net.was)?.chat_id === id);
  for (const version of ["history_version", "queue_version", "retry_state_version"] as const) {
    check(now[version] >= was[version], `${version} went back`);
    const isSnapshot = now[version] === now.snapshot_version;
    check(now[version] === was[version] || isSnapshot, `${version} is not the snapshot`);
  }
  const history = ofChat(commit.messages);
  check(!history || now.history_version === now.snapshot_version, "history changed unseen");
  check(!history || moved === 1, "history changed without a bump");
  const queue = ofChat(commit.queue);
  check(!queue || now.queue_version === now.snapshot_version, "the queue changed unseen");
  check(queue || now.queue_version === was.queue_version, "the queue's version moved by itself");
  const retry = JSON.stringify(was.retry_state) !== JSON.stringify(now.retry_state);
  check(!retry || now.retry_state_version === now.snapshot_version, "the retry changed unseen");
  const acts = (["status", "worker_id", "runner_id", "archived", "turn_message_id"] as const).some(
    (column) => was[column] !== now[column],
  );
  check(!acts || moved === 1, "the chat's state changed without a bump");
  check(was.title === now.title || now.metadata_version > was.metadata_version, "unseen title");
  check(now.metadata_version >= was.metadata_version, "metadata_version went back");
}

function said(chat: ChatImage): string {
  const { status, snapshot_version: s, history_version: h, queue_version: q } = chat;
  return `${status} s${s} h${h} q${q} r${chat.retry_state_version} m${chat.metadata_version}`;
}
