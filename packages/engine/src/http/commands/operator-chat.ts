import type { OperatorChatAnswer } from "@parley/protocol";
import { ChatNotFound } from "../../domain/errors.ts";
import type { ChatRow } from "../../domain/rows.ts";
import { stateOf } from "../../domain/state.ts";
import { readWaiting } from "../../store/backlog.ts";
import { readChat } from "../../store/chats.ts";
import { readAttempts, readLease, readLedgerInfo, type LeaseRow } from "../../store/operator.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { isUuid } from "../uuid.ts";
import { requireAdmin } from "./replicas.ts";

const statementTimeoutMs = 5_000;

/**
 * How any chat of the deployment stands, without a word of what is said in it: an administrator may mend it, and not
 * read it. @throws Forbidden, ChatNotFound
 */
export async function operatorChatCommand(
  context: HttpContext,
  caller: Caller,
  chatId: string,
): Promise<OperatorChatAnswer> {
  requireAdmin(caller);
  const id = chatId.toLowerCase();
  if (!isUuid(id)) throw new ChatNotFound(chatId);
  const { rules } = context.operator;
  const [found, waiting] = await Promise.all([
    context.machine.read(
      async (tx) =>
        await Promise.all([
          readChat(tx, id),
          readLease(tx, id, rules),
          readAttempts(tx, id),
          readLedgerInfo(tx, id),
        ]),
      "http.operator_chat",
    ),
    readWaiting(context.database, [id], rules, { statementTimeoutMs }),
  ]);
  const [chat, lease, attempts, ledger] = found;
  if (chat === undefined || lease === undefined) throw new ChatNotFound(chatId);
  return {
    chat: { ...shown(chat), runnable_ms: lease.runnable_ms },
    lease: leaseOf(chat, lease),
    slot:
      lease.slot_kind === null || lease.slot_taken_at === null
        ? null
        : { kind: lease.slot_kind, taken_at: lease.slot_taken_at.toISOString() },
    waiting: waiting.get(id)?.reason ?? null,
    retry: chat.retry_state && {
      attempt: chat.retry_state.attempt,
      kind: chat.retry_state.kind,
      delay_ms: chat.retry_state.delay_ms,
    },
    attempts: attempts.map((attempt) => ({
      ...attempt,
      written_at: attempt.written_at.toISOString(),
    })),
    ledger: ledger.map((row) => ({
      ...row,
      created_at: row.created_at.toISOString(),
      started_at: row.started_at?.toISOString() ?? null,
      finished_at: row.finished_at?.toISOString() ?? null,
      decided_at: row.decided_at?.toISOString() ?? null,
      deadline_at: row.deadline_at?.toISOString() ?? null,
    })),
  };
}

function shown(chat: ChatRow): Omit<OperatorChatAnswer["chat"], "runnable_ms"> {
  const { id, owner_id, parent_chat_id, root_chat_id, model, status, archived } = chat;
  const { generation_attempt, queue_length, takeovers, turn_message_id } = chat;
  return {
    id,
    owner_id,
    parent_chat_id,
    root_chat_id,
    model,
    state: stateOf(chat),
    status,
    archived,
    versions: {
      snapshot: chat.snapshot_version,
      history: chat.history_version,
      queue: chat.queue_version,
      retry_state: chat.retry_state_version,
      metadata: chat.metadata_version,
    },
    generation_attempt,
    queue_length,
    takeovers,
    turn_message_id,
    error_kind: chat.last_error?.kind ?? null,
    runnable_since: chat.runnable_since?.toISOString() ?? null,
    requires_action_deadline_at: chat.requires_action_deadline_at?.toISOString() ?? null,
    created_at: chat.created_at.toISOString(),
    updated_at: chat.updated_at.toISOString(),
  };
}

function leaseOf(
  { worker_id, runner_id }: ChatRow,
  { address, last_beat_at, beat_ms, alive }: LeaseRow,
): OperatorChatAnswer["lease"] {
  if (worker_id === null || runner_id === null) return null;
  const lastBeat = last_beat_at?.toISOString() ?? null;
  return { worker_id, runner_id, address, last_beat_at: lastBeat, beat_ms, alive };
}
