import type { PendingAction } from "@parley/protocol";
import { approvalDeadlineMs, clientToolDeadlineMs } from "../domain/limits.ts";
import type { ExecutionRow, ExecutionState, TrackedCall } from "../domain/rows.ts";
import type { ReadTx, Sql, WriteTx } from "../postgres/sql.ts";

/** The ledger's row for a call of an assistant message that is being committed. */
export interface NewExecution {
  readonly tool_call_id: string;
  readonly tool_name: string;
  readonly kind: "server" | "client";
  readonly needs_approval: boolean;
  /** How long it may wait for its client or its decision. */
  readonly deadline_ms?: number;
  /** Default: the database makes one. */
  readonly id?: string;
}

const columns = `e.id, e.chat_id, e.message_id, e.ordinal, e.tool_call_id, e.tool_name, e.kind, e.state,
  e.needs_approval, e.decided_by, e.decided_at, e.decision_reason, e.deadline_at, e.runner_id, e.started_at,
  e.finished_at, e.deadline_ms, e.result`;

/** One statement for all calls of a message. `ordinal`: see `OpenCall`. */
export async function insertExecutions(
  tx: WriteTx,
  chatId: string,
  messageId: number,
  executions: readonly (NewExecution & { readonly ordinal: number })[],
): Promise<void> {
  await tx.query({
    name: "tool_executions.insert",
    text: `insert into parley.tool_executions
             (id, chat_id, message_id, ordinal, tool_call_id, tool_name, kind, state, needs_approval, deadline_ms)
           select coalesce(n.id, gen_random_uuid()), $1, $2, n.ordinal, n.tool_call_id, n.tool_name, n.kind, 'intent',
             n.needs_approval, n.deadline_ms
           from jsonb_to_recordset($3) as n (id uuid, ordinal integer, tool_call_id text, tool_name text, kind text,
             needs_approval boolean, deadline_ms double precision)`,
    values: [chatId, messageId, JSON.stringify(executions)],
  });
}

/** Calls in active history without a result, each with its row, in call order. */
export async function readTrackedCalls(tx: Sql | ReadTx, chatId: string): Promise<TrackedCall[]> {
  const rows = await tx.query<TrackedRow>({
    name: "tool_executions.tracked",
    text: `select ${columns}, c.message_id as call_message_id, c.ordinal as call_ordinal, c.tool_call_id as call_id,
             c.tool_name as call_tool_name, c.input, coalesce(e.deadline_at <= parley.now(), false) as expired
           from parley.open_tool_calls($1) c
           left join parley.tool_executions e
             on e.chat_id = $1 and e.message_id = c.message_id and e.tool_call_id = c.tool_call_id
           order by c.ordinal`,
    values: [chatId],
  });
  return rows.map(trackedCallOf);
}

type TrackedRow = { [K in keyof ExecutionRow]: ExecutionRow[K] | null } & {
  call_message_id: number;
  call_ordinal: number;
  call_id: string;
  call_tool_name: string;
  input: unknown;
  expired: boolean;
};

function trackedCallOf(row: TrackedRow): TrackedCall {
  const { call_message_id, call_ordinal, call_id, call_tool_name, input, expired, ...rest } = row;
  return {
    message_id: call_message_id,
    ordinal: call_ordinal,
    tool_call_id: call_id,
    tool_name: call_tool_name,
    input,
    expired,
    execution: rest.id === null ? null : (rest as ExecutionRow),
  };
}

/** What a client or a person has to do, in call order. */
export async function readPendingActions(
  tx: Sql | ReadTx,
  chatId: string,
): Promise<PendingAction[]> {
  const rows = await tx.query<PendingRow>({
    name: "tool_executions.pending",
    text: `select p.tool_call_id, p.tool_name, p.awaits, p.input, p.deadline_at, array[c.owner_id] as may_decide
           from parley.pending_calls($1) p, parley.chats c where c.id = $1 order by p.message_id, p.ordinal`,
    values: [chatId],
  });
  return rows.map(({ awaits, deadline_at, ...rest }) => ({
    ...rest,
    kind: awaits,
    deadline_at: deadline_at?.toISOString() ?? null,
  }));
}

interface PendingRow {
  tool_call_id: string;
  tool_name: string;
  awaits: PendingAction["kind"];
  input: PendingAction["input"];
  deadline_at: Date | null;
  may_decide: string[];
}

/** Rows for the given call ids, the newest first: for answering repeats. */
export async function readExecutionsByCall(
  tx: Sql | ReadTx,
  chatId: string,
  toolCallIds: readonly string[],
): Promise<ExecutionRow[]> {
  return await tx.query<ExecutionRow>({
    name: "tool_executions.by_call",
    text: `select ${columns} from parley.tool_executions e
           where e.chat_id = $1 and e.tool_call_id = any ($2::text[]) order by e.message_id desc`,
    values: [chatId, toolCallIds],
  });
}

/** Every pending call that has no deadline yet gets one, from now. */
export async function setDeadlines(tx: WriteTx, chatId: string): Promise<void> {
  await tx.query({
    name: "tool_executions.deadlines",
    text: `update parley.tool_executions e
           set deadline_at = parley.now() + make_interval(secs => coalesce(e.deadline_ms,
             case p.awaits when 'approval' then $2::double precision else $3::double precision end) / 1000)
           from parley.pending_calls($1) p where e.id = p.execution_id and e.deadline_at is null`,
    values: [chatId, approvalDeadlineMs, clientToolDeadlineMs],
  });
}

export interface RecordedResult {
  readonly tool_call_id: string;
  readonly output: unknown;
  readonly is_error: boolean;
}

/** Rows still open for these calls of active history are finished with these results. */
export async function finishExecutions(
  tx: WriteTx,
  chatId: string,
  results: readonly RecordedResult[],
): Promise<void> {
  await tx.query({
    name: "tool_executions.finish",
    text: `update parley.tool_executions e
           set state = 'finished', finished_at = parley.now(),
             result = jsonb_build_object('output', r.output, 'is_error', r.is_error)
           from jsonb_to_recordset($2) as r (tool_call_id text, output jsonb, is_error boolean)
           where e.chat_id = $1 and e.tool_call_id = r.tool_call_id and e.state in ('intent', 'approved', 'started')`,
    values: [chatId, JSON.stringify(results)],
  });
}

export interface SettledExecution {
  readonly id: string;
  readonly state: ExecutionState;
  readonly output: unknown;
}

/** Rows whose calls were closed without a result of their own: what was said of each is kept beside it. */
export async function settleExecutions(
  tx: WriteTx,
  chatId: string,
  settled: readonly SettledExecution[],
): Promise<void> {
  await tx.query({
    name: "tool_executions.settle",
    text: `update parley.tool_executions e
           set state = s.state, finished_at = parley.now(),
             result = jsonb_build_object('output', s.output, 'is_error', true)
           from jsonb_to_recordset($2) as s (id uuid, state text, output jsonb)
           where e.chat_id = $1 and e.id = s.id and e.state in ('intent', 'approved', 'started')`,
    values: [chatId, JSON.stringify(settled)],
  });
}

/**
 * Whatever is still open for calls from this message on is over. An edit abandons it all; elsewhere what was started has
 * an unknown outcome.
 */
export async function abandonExecutions(
  tx: WriteTx,
  chatId: string,
  fromMessageId: number,
  started: "abandoned" | "unknown",
): Promise<void> {
  await tx.query({
    name: "tool_executions.abandon",
    text: `update parley.tool_executions
           set state = case state when 'started' then $3 else 'abandoned' end, finished_at = parley.now()
           where chat_id = $1 and message_id >= $2 and state in ('intent', 'approved', 'started')`,
    values: [chatId, fromMessageId, started],
  });
}

export interface Decision {
  readonly tool_call_id: string;
  readonly decision: "approve" | "deny";
  readonly reason?: string;
}

/** Writes decisions on rows that nobody has decided; a client's call that was approved waits anew, for its client. */
export async function decideExecutions(
  tx: WriteTx,
  chatId: string,
  decidedBy: string,
  decisions: readonly (Decision & { readonly output?: string })[],
): Promise<void> {
  await tx.query({
    name: "tool_executions.decide",
    text: `update parley.tool_executions e
           set state = case d.decision when 'approve' then 'approved' else 'denied' end,
             decided_by = $2, decided_at = parley.now(), decision_reason = d.reason,
             finished_at = case d.decision when 'deny' then parley.now() end,
             result = case d.decision when 'deny' then jsonb_build_object('output', d.output, 'is_error', true) end,
             deadline_at = case when d.decision = 'approve' and e.kind = 'client' then parley.now()
               + make_interval(secs => coalesce(e.deadline_ms, $4::double precision) / 1000) else e.deadline_at end
           from jsonb_to_recordset($3) as d (tool_call_id text, decision text, reason text, output jsonb)
           where e.chat_id = $1 and e.tool_call_id = d.tool_call_id and e.needs_approval and e.state = 'intent'`,
    values: [chatId, decidedBy, JSON.stringify(decisions), clientToolDeadlineMs],
  });
}

/** Who writes to the ledger between commits: checked under the chat's row lock. */
export interface LedgerFence {
  readonly chat_id: string;
  readonly runner_id: string;
  readonly history_version: number;
}

const fenced = `with chat as (
  select id from parley.chats
  where id = $1 and runner_id = $2 and history_version = $3 and status = 'running' for update)`;

/**
 * Commits `started` before an at-most-once call runs. Only such calls are recorded as started, so whatever is found
 * started and unfinished has an unknown outcome. False: the fence was lost, or the row is not open: do not run.
 */
export async function startExecution(
  tx: WriteTx,
  fence: LedgerFence,
  executionId: string,
): Promise<boolean> {
  const rows = await tx.query({
    name: "tool_executions.start",
    text: `${fenced}
           update parley.tool_executions e
           set state = 'started', started_at = parley.now(), runner_id = $2
           from chat where e.id = $4 and e.chat_id = chat.id
             and (e.state = 'approved' or (e.state = 'intent' and not e.needs_approval)) returning e.id`,
    values: [fence.chat_id, fence.runner_id, fence.history_version, executionId],
  });
  return rows.length === 1;
}

/** Stores a result before it is shown to anybody. False: the fence was lost, or the row is not open. */
export async function storeResult(
  tx: WriteTx,
  fence: LedgerFence,
  executionId: string,
  result: NonNullable<ExecutionRow["result"]>,
): Promise<boolean> {
  const rows = await tx.query({
    name: "tool_executions.store_result",
    text: `${fenced}
           update parley.tool_executions e
           set state = 'finished', finished_at = parley.now(), runner_id = $2, result = $5::jsonb
           from chat where e.id = $4 and e.chat_id = chat.id and (e.state in ('approved', 'started')
             or (e.state = 'intent' and not e.needs_approval)) returning e.id`,
    values: [
      fence.chat_id,
      fence.runner_id,
      fence.history_version,
      executionId,
      JSON.stringify(result),
    ],
  });
  return rows.length === 1;
}
