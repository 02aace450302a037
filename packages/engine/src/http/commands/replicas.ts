import {
  replicaMetricsAnswerSchema,
  type DrainAnswer,
  type DrivenChat,
  type ReplicaMetricsAnswer,
  type ReplicasAnswer,
} from "@parley/protocol";
import { readBacklog } from "../../store/backlog.ts";
import {
  readBusyCounts,
  readDrivenChats,
  readFigures,
  readRestingCounts,
  readWorkerInfos,
  requestDrain,
  type DrivenChatRow,
  type RestingCounts,
} from "../../store/operator.ts";
import type { Caller } from "../auth/caller.ts";
import type { HttpContext } from "../context.ts";
import { Forbidden, NotFound } from "../errors.ts";
import { reader } from "../reader.ts";
import { isUuid } from "../uuid.ts";

/** Counting all chats reads all of them; what rests changes slowly. */
const restingMs = 30_000;
/** An operator looks again sooner than that. */
const statementTimeoutMs = 5_000;

/** @throws Forbidden */
export function requireAdmin(caller: Caller): void {
  if (!caller.isAdmin) throw new Forbidden("This is for administrators.");
}

/** Reads what the whole deployment does, for one replica's administrators together. */
export class Replicas {
  readonly #context: HttpContext;
  #resting: { readonly counts: Promise<RestingCounts>; readonly until: number } | null = null;

  constructor(context: HttpContext) {
    this.#context = context;
  }

  /** @throws Forbidden */
  async list(caller: Caller): Promise<ReplicasAnswer> {
    requireAdmin(caller);
    const { database, operator } = this.#context;
    const { rules } = operator;
    const sql = reader(database, "http.replicas");
    const [workers, driven, busy, resting, { waiting, slots }] = await Promise.all([
      readWorkerInfos(sql, rules),
      readDrivenChats(sql),
      readBusyCounts(sql),
      this.#restingCounts(),
      readBacklog(database, rules, { statementTimeoutMs }),
    ]);
    const chatsOf = Map.groupBy(driven, ({ worker_id }) => worker_id);
    const { queued_messages, oldest_ms, ...live } = busy;
    return {
      replicas: workers.map((worker) => ({
        ...worker,
        answers: operator.isHere(worker.id),
        started_at: worker.started_at.toISOString(),
        last_beat_at: worker.last_beat_at.toISOString(),
        drain_requested_at: worker.drain_requested_at?.toISOString() ?? null,
        chats: (chatsOf.get(worker.id) ?? []).map(shownDriven),
      })),
      chats: { ...live, ...resting },
      backlog: { waiting, oldest_ms, queued_messages },
      slots: {
        root: { used: slots.root, max: rules.limits.roots },
        sub_agent: { used: slots.sub_agent, max: rules.limits.sub_agents },
      },
    };
  }

  async #restingCounts(): Promise<RestingCounts> {
    const { clock, database } = this.#context;
    const now = clock.monotonic();
    if (this.#resting === null || this.#resting.until <= now) {
      const counts = readRestingCounts(reader(database, "http.replicas"));
      const mine = { counts, until: now + restingMs };
      this.#resting = mine;
      // What failed is not kept: the next look tries again.
      counts.catch(() => {
        if (this.#resting === mine) this.#resting = null;
      });
    }
    return await this.#resting.counts;
  }
}

function shownDriven(row: DrivenChatRow): DrivenChat {
  const { id, kind, status, model, runnable_since, runnable_ms, works, queue_length } = row;
  const since = runnable_since?.toISOString() ?? null;
  return { id, kind, status, model, runnable_since: since, runnable_ms, works, queue_length };
}

/** The last minutes of one replica, from whichever is asked. @throws Forbidden, NotFound */
export async function replicaMetricsCommand(
  { database }: HttpContext,
  caller: Caller,
  replicaId: string,
): Promise<ReplicaMetricsAnswer> {
  requireAdmin(caller);
  const id = replicaId.toLowerCase();
  const row = isUuid(id) ? await readFigures(reader(database, "http.replica_metrics"), id) : null;
  if (!row) throw noSuchReplica();
  // Another version may write them otherwise: then there are none that could be shown.
  const parsed = replicaMetricsAnswerSchema.safeParse({
    ...(row.figures as object | null),
    replica_id: id,
    age_ms: row.age_ms,
  });
  return parsed.success ? parsed.data : { ...noFigures, replica_id: id };
}

const noFigures = {
  every_ms: 5_000,
  age_ms: null,
  turns: [],
  first_part_p50_ms: [],
  first_part_p95_ms: [],
  statements: [],
  parts: [],
  pool_used: [],
  pool_waiting: [],
  pool_size: 0,
  errors: {},
};

/** Asking twice is as asking once. @throws Forbidden, NotFound */
export async function drainReplicaCommand(
  { database, logger, operator }: HttpContext,
  caller: Caller,
  replicaId: string,
): Promise<DrainAnswer> {
  requireAdmin(caller);
  const id = replicaId.toLowerCase();
  const at = isUuid(id)
    ? await database.write(async (tx) => await requestDrain(tx, id, operator.rules), {
        operation: "http.drain_replica",
      })
    : undefined;
  if (at === undefined) throw noSuchReplica();
  logger.info({ replica_id: id, principal_id: caller.principalId }, "a drain was asked for");
  return { replica_id: id, drain_requested_at: at.toISOString() };
}

function noSuchReplica(): NotFound {
  return new NotFound("There is no such replica.");
}
