import { z } from "zod";
import { errorKindSchema, statusSchema } from "./chats.ts";

/** What administrators see of a deployment. Nothing here holds anything that people or models have said. */

const time = z.iso.datetime();

/** `alive`; `draining`: it takes nothing any more; `dead`: others take its chats over. */
export const replicaStateSchema = z.enum(["alive", "draining", "dead"]);

const slotKindSchema = z.enum(["root", "sub_agent"]);

/** A chat that a replica drives. */
export const drivenChatSchema = z.object({
  id: z.uuid(),
  kind: slotKindSchema,
  status: statusSchema,
  model: z.string(),
  /** Since when it has had something to do. */
  runnable_since: time.nullable(),
  /** That long ago, by the database's clock; milliseconds. */
  runnable_ms: z.number().nullable(),
  /** Whether it has a step in flight, which counts against the capacity. */
  works: z.boolean(),
  queue_length: z.int(),
});

export const replicaSchema = z.object({
  id: z.uuid(),
  /** Whether it is the one that answers. */
  answers: z.boolean(),
  /** Where other replicas reach it; null where there can be none. */
  address: z.string().nullable(),
  version: z.string(),
  state: replicaStateSchema,
  started_at: time,
  last_beat_at: time,
  /** Age of the last beat; milliseconds. */
  beat_ms: z.number(),
  drain_requested_at: time.nullable(),
  /** Chats with a step in flight that it may have. */
  capacity: z.int(),
  /** Chats with a step in flight that it has. */
  working: z.int(),
  /** Chats that it drives, also those that only wait. */
  owned: z.int(),
  /** Of them the ones that have been runnable for longest, at most 100. */
  chats: z.array(drivenChatSchema),
  /** Providers whose models it can call; null where it does not say. */
  providers: z.array(z.string()).nullable(),
});

const slotsSchema = z.object({
  used: z.int(),
  /** null: no limit but the replicas' capacity. */
  max: z.int().nullable(),
});

export const replicasAnswerSchema = z.object({
  replicas: z.array(replicaSchema),
  /** Chats of the deployment by what they do; archived ones are in no other state. */
  chats: z.object({
    waiting: z.int(),
    running: z.int(),
    interrupting: z.int(),
    requires_action: z.int(),
    error: z.int(),
    archived: z.int(),
  }),
  backlog: z.object({
    /** Chats that could run and do not, by reason. */
    waiting: z.object({ capacity: z.int(), no_worker: z.int() }),
    /** How long the oldest of those has been runnable that nobody drives; milliseconds; null: there is none. */
    oldest_ms: z.number().nullable(),
    /** User messages that wait for a turn to end, over all chats. */
    queued_messages: z.int(),
  }),
  slots: z.object({ root: slotsSchema, sub_agent: slotsSchema }),
});

const rates = z.array(z.number().nullable());

/**
 * The last minutes of a replica, one value for each `every_ms`, the newest last, all lists of one length. null: nothing was
 * measured then.
 */
export const replicaMetricsAnswerSchema = z.object({
  replica_id: z.uuid(),
  every_ms: z.int(),
  /** Age of the newest values by the database's clock; milliseconds; null: there are none yet. */
  age_ms: z.number().nullable(),
  /** Ended turns, each second. */
  turns: rates,
  /** From the beginning of a model call to the first that the model says; milliseconds. */
  first_part_p50_ms: rates,
  first_part_p95_ms: rates,
  /** Statements that it sent to the database, each second. */
  statements: rates,
  /** Live parts of its own chats, each second. */
  parts: rates,
  /** Connections of its pool in use, and requests that wait for one. */
  pool_used: rates,
  pool_waiting: rates,
  pool_size: z.int(),
  /** Failures by kind, each a list of counts: kinds of `error`, `internal` (our own), `http` (answers 5xx). */
  errors: z.record(z.string(), rates),
});

export const drainAnswerSchema = z.object({
  replica_id: z.uuid(),
  drain_requested_at: time,
});

/** A tool call in the ledger, without what it was given and gave. */
export const ledgerRowSchema = z.object({
  id: z.uuid(),
  message_id: z.int(),
  ordinal: z.int(),
  tool_name: z.string(),
  kind: z.enum(["server", "client"]),
  state: z.string(),
  needs_approval: z.boolean(),
  runner_id: z.uuid().nullable(),
  created_at: time,
  started_at: time.nullable(),
  finished_at: time.nullable(),
  decided_at: time.nullable(),
  deadline_at: time.nullable(),
});

export const operatorChatSchema = z.object({
  id: z.uuid(),
  owner_id: z.uuid(),
  parent_chat_id: z.uuid().nullable(),
  root_chat_id: z.uuid(),
  model: z.string(),
  /** Of the table of states, as `R1` (docs/spec.md). */
  state: z.string(),
  status: statusSchema,
  archived: z.boolean(),
  versions: z.object({
    snapshot: z.int(),
    history: z.int(),
    queue: z.int(),
    retry_state: z.int(),
    metadata: z.int(),
  }),
  generation_attempt: z.int(),
  queue_length: z.int(),
  takeovers: z.int(),
  turn_message_id: z.int().nullable(),
  error_kind: errorKindSchema.nullable(),
  runnable_since: time.nullable(),
  runnable_ms: z.number().nullable(),
  requires_action_deadline_at: time.nullable(),
  created_at: time,
  updated_at: time,
});

export const operatorChatAnswerSchema = z.object({
  chat: operatorChatSchema,
  /** Who drives it; null: nobody. */
  lease: z
    .object({
      worker_id: z.uuid(),
      /** Fences what it commits. */
      runner_id: z.uuid(),
      address: z.string().nullable(),
      /** null: the worker's row is gone, which is dead. */
      last_beat_at: time.nullable(),
      beat_ms: z.number().nullable(),
      alive: z.boolean(),
    })
    .nullable(),
  /** Its step in flight, in the count of admission. */
  slot: z.object({ kind: slotKindSchema, taken_at: time }).nullable(),
  /** Why it does not run though it could; null: it runs, or has nothing to do. */
  waiting: z.enum(["capacity", "no_worker"]).nullable(),
  /** The failed attempt that will be tried again. */
  retry: z.object({ attempt: z.int(), kind: z.string(), delay_ms: z.number() }).nullable(),
  /** Attempts whose live text is kept in case their replica dies, the newest first. */
  attempts: z.array(
    z.object({
      history_version: z.int(),
      generation_attempt: z.int(),
      parts: z.int(),
      written_at: time,
    }),
  ),
  /** The newest rows of its ledger of tool calls, at most 50. */
  ledger: z.array(ledgerRowSchema),
});

export type ReplicaState = z.infer<typeof replicaStateSchema>;
export type DrivenChat = z.infer<typeof drivenChatSchema>;
export type ReplicaInfo = z.infer<typeof replicaSchema>;
export type ReplicasAnswer = z.infer<typeof replicasAnswerSchema>;
export type ReplicaMetricsAnswer = z.infer<typeof replicaMetricsAnswerSchema>;
export type DrainAnswer = z.infer<typeof drainAnswerSchema>;
export type LedgerRow = z.infer<typeof ledgerRowSchema>;
export type OperatorChatAnswer = z.infer<typeof operatorChatAnswerSchema>;
