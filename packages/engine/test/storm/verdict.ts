import type { Message, QueuedMessage } from "@parley/protocol";
import type { Life, Sent } from "./life.ts";
import { tagsIn } from "./tags.ts";

/** A row of history as the database has it, deleted ones too. */
export interface HistoryRow {
  readonly chat_id: string;
  readonly id: number;
  readonly role: string;
  readonly deleted: boolean;
  readonly finish_reason: string | null;
  readonly client_id: string | null;
  readonly text: string;
}

/** What the database holds of one chat when everything is over. */
export interface Outcome {
  readonly status: string;
  readonly rows: readonly HistoryRow[];
  readonly messages: readonly Message[];
  readonly queue: readonly QueuedMessage[];
}

/** Everything that must not be; empty: all is well. */
export function judge(life: Life, outcome: Outcome): string[] {
  const where = `chat ${life.index} (${life.chatId})`;
  const faults: string[] = [];
  if (outcome.status !== "waiting") faults.push(`ended in ${outcome.status}: it needs a nudge`);
  if (outcome.queue.length > 0) faults.push(`${outcome.queue.length} messages are still queued`);
  for (const sent of life.sent) faults.push(...judgeSent(sent, outcome.rows));
  for (const [n, screen] of life.screens.entries()) {
    faults.push(...screen.faults.map((fault) => `screen ${n}: ${fault}`));
    const { messages, queue, preview } = screen.transcript;
    if (!same(messages, outcome.messages)) {
      faults.push(
        `screen ${n} shows ${brief(messages)}; the database has ${brief(outcome.messages)}`,
      );
    }
    if (!same(queue, outcome.queue)) faults.push(`screen ${n} shows another queue`);
    if (preview !== null) faults.push(`screen ${n} still shows a preview`);
  }
  return faults.map((fault) => `${where}: ${fault}`);
}

/** Answered once, taken back by its author, or cleared by an edit: nothing else may become of a message. */
function judgeSent(sent: Sent, rows: readonly HistoryRow[]): string[] {
  const entered = rows.filter(({ client_id }) => client_id === sent.clientId);
  const mayBeGone = sent.queued && (sent.deleted || sent.perhapsCleared);
  const [row] = entered;
  if (entered.length > 1) return [`${sent.tag} entered history ${entered.length} times`];
  if (row === undefined) return mayBeGone ? [] : [`${sent.tag} has vanished`];
  if (sent.deleted) return [`${sent.tag} was deleted and is answered all the same`];
  const answers = rows.filter(
    ({ role, text, finish_reason, deleted }) =>
      // An edit takes an answer away and asks again for all that it leaves unanswered.
      !deleted &&
      role === "assistant" &&
      finish_reason === "stop" &&
      tagsIn(text).includes(sent.tag),
  );
  if (answers.length > 1) return [`${sent.tag} was answered ${answers.length} times`];
  if (answers.length === 0 && !row.deleted && !sent.perhapsStopped) {
    return [`${sent.tag} was not answered`];
  }
  return [];
}

function same(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function brief(messages: readonly Message[]): string {
  return JSON.stringify(messages.map(({ id, revision, role }) => `${id}@${revision} ${role}`));
}
