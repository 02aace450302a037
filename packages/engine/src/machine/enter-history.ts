import type { ClosingReason } from "../domain/closing.ts";
import { IdempotencyKeyReused, QueuedMessageNotFound } from "../domain/errors.ts";
import type { MessageRow, NewMessage, QueueRow, TrackedCall } from "../domain/rows.ts";
import type { State } from "../domain/state.ts";
import { readTrackedCalls } from "../store/executions.ts";
import { clientIdTaken, deleteQueued, rankQueue, readQueue } from "../store/queue.ts";
import type { WriteTx } from "../postgres/sql.ts";
import type { Bundle, ReadAlong } from "./bundle.ts";
import { closeCalls } from "./close-open-calls.ts";

/** What a user's message is made of, wherever it goes first. */
export type UserMessage = Pick<
  QueueRow,
  "parts" | "model" | "reasoning_effort" | "client_id" | "created_by"
> &
  Partial<Pick<QueueRow, "response_format" | "model_settings">>;

export function userMessage(from: UserMessage): NewMessage {
  const { parts, model, reasoning_effort, client_id, created_by } = from;
  const { response_format = null, model_settings = null } = from;
  return {
    role: "user",
    parts,
    model,
    reasoning_effort,
    response_format,
    model_settings,
    client_id,
    created_by,
  };
}

/** A client id names one message of its chat. After a day its key is forgotten, the message is not. */
export async function assertClientIdFree(bundle: Bundle, clientId: string | null): Promise<void> {
  if (clientId === null) return;
  await assertFree(clientId, clientIdTaken(bundle.tx, bundle.chatId, clientId));
}

/** What has to be known before a message enters the history of a chat that does nothing: read with the lock, where it was. */
export async function readBeforeEntering(
  bundle: Bundle,
  clientId: string | null,
): Promise<TrackedCall[]> {
  const { calls, isClientIdTaken } = bundle.takeReadAlong();
  const { tx, chatId } = bundle;
  const [tracked] = await Promise.all([
    calls ?? readTrackedCalls(tx, chatId),
    clientId && assertFree(clientId, isClientIdTaken ?? clientIdTaken(tx, chatId, clientId)),
  ]);
  return tracked;
}

/** What `readBeforeEntering` needs, sent with the statement that locks the row. */
export function readAlongEntering(tx: WriteTx, chatId: string, clientId: string | null): ReadAlong {
  const calls = readTrackedCalls(tx, chatId);
  calls.catch(() => {});
  if (clientId === null) return { calls };
  const isClientIdTaken = clientIdTaken(tx, chatId, clientId);
  isClientIdTaken.catch(() => {});
  return { calls, isClientIdTaken };
}

async function assertFree(clientId: string, taken: Promise<boolean>): Promise<void> {
  if (await taken) throw new IdempotencyKeyReused(clientId);
}

/** Moves a queued message into history, after closing the calls given; gives all rows inserted, it as the last. */
export async function promote(
  bundle: Bundle,
  queued: QueueRow,
  calls: readonly TrackedCall[],
  reason: ClosingReason,
): Promise<{ entered: MessageRow; messages: MessageRow[] }> {
  bundle.queueTouched();
  // All sent before any is awaited: the order of arrival is the order of the ids.
  const [closed, entered] = await Promise.all([
    closeCalls(bundle, calls, reason),
    bundle.insert(userMessage(queued)),
    deleteQueued(bundle.atSnapshot(), bundle.chatId, [queued.id]),
  ]);
  return { entered, messages: closed === null ? [entered] : [closed, entered] };
}

/** Queue and open calls in one round trip: what every promotion begins with. */
export async function readQueueAndCalls(bundle: Bundle): Promise<[QueueRow[], TrackedCall[]]> {
  return await Promise.all([
    readQueue(bundle.tx, bundle.chatId),
    readTrackedCalls(bundle.tx, bundle.chatId),
  ]);
}

/** With nothing queued there is no such queued message: it may have been sent a moment ago. */
export function refuseQueued(_from: State, input: { readonly queued_id: number }): Error {
  return new QueuedMessageNotFound(input.queued_id);
}

/** Puts the queue into the given order, if it is not in it already: what changes nothing moves no version. */
export async function arrangeQueue(
  bundle: Bundle,
  before: readonly QueueRow[],
  order: readonly number[],
): Promise<void> {
  if (before.every((queued, place) => queued.id === order[place])) return;
  bundle.queueTouched();
  await rankQueue(bundle.atSnapshot(), bundle.chatId, order);
}
