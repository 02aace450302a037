import { arriving, both, mutateFunction, restoreFunction, rewriting, sometimes } from "./means.ts";
import type { Mutation, MutationSite } from "./mutation.ts";
import { particularMutations } from "./particular.ts";
import { useMutations } from "./uses.ts";

const columnsOfChat = `(jsonb_populate_record(chats, coalesce((
  select jsonb_build_object('runner_id', b.runner_id, 'worker_id', b.worker_id) from parley_sim.believed b
  where b.chat_id = chats.id and b.process = current_setting('parley_sim.process', true)), '{}'))).*`;

/** Each process goes on believing in the runner that it once named, whatever the row says. */
function believing(site: MutationSite): void {
  const { cluster } = site;
  rewriting("chats.lock_for_writing", (text) =>
    text.replace("select * from", `select ${columnsOfChat} from`),
  )(site);
  const named = new Set<string>();
  cluster.database.committed.push(({ process, changes }) => {
    for (const { table, row } of changes) {
      if (table !== "chats" || typeof row["runner_id"] !== "string") continue;
      const { id, runner_id, worker_id } = row as {
        id: string;
        runner_id: string;
        worker_id: string;
      };
      // Who names a runner first is the process that it is in.
      if (named.has(runner_id)) continue;
      named.add(runner_id);
      site.backend.sql(`insert into parley_sim.believed values
        ('${id}', '${process.name}', '${runner_id}', '${worker_id}')
        on conflict (chat_id, process) do update set runner_id = excluded.runner_id, worker_id = excluded.worker_id`);
    }
  });
}

/** Longer than the lease, so that others take over what a replica goes on with. */
const awayMs = 24_000;

/** One replica after the other is cut off from its database, and comes back. */
function awayForLong({ cluster, scheduler, rng }: MutationSite): void {
  const next = (): void => {
    const { process } = rng.pick(cluster.replicas);
    cluster.weather.cutFromDatabase(process, true);
    scheduler.after(awayMs + rng.exponential(1_000), () => {
      cluster.weather.cutFromDatabase(process, false);
      scheduler.after(rng.exponential(3_000), next);
    });
  };
  scheduler.after(8_000, next);
}

export const mutations: readonly Mutation[] = [
  ...useMutations,
  ...particularMutations,
  {
    name: "stream repeats itself",
    checker: "delivery",
    breaks: "1: none twice",
    install: arriving("message", ({ rng }) => (rng.chance(0.3) ? 2 : 1)),
  },
  {
    name: "stream loses a state",
    checker: "convergence",
    breaks: "1: ends with exactly the database's history",
    install: arriving("status", (_site, has) => (has("ready") ? 1 : 0)),
    options: { onlyFaults: [] },
  },
  {
    name: "commit that is none",
    checker: "acknowledged",
    breaks: "1: nothing committed is lost",
    install: (site) => {
      const now = sometimes(site, 0.3);
      site.cluster.database.sabotage.lies = ({ commits, names, session }) =>
        commits &&
        [...session.transaction, ...names].includes("idempotency_keys.insert_last") &&
        now();
    },
  },
  {
    name: "no fence",
    checker: "one-writer",
    breaks: "2: a stale runner's commit changes nothing",
    install: both(believing, awayForLong),
    alter: {
      apply: `create table if not exists parley_sim.believed
        (chat_id uuid, process text, runner_id text, worker_id text, primary key (chat_id, process))`,
      undo: `drop table if exists parley_sim.believed`,
    },
    // Work has to be lost and found while models are slow: none is when users only look on.
    options: { minutes: 3, onlyFaults: [], replicas: 3, models: { slow: 100, talk: 5 } },
  },
  {
    name: "promotion clears the queue",
    checker: "queue",
    breaks: "3: none vanishes",
    install: rewriting("chat_queue.delete", (text) =>
      text.replace("and id = any ($2::bigint[])", "and $2::bigint[] is not null"),
    ),
  },
  {
    name: "open calls are overlooked",
    checker: "history",
    breaks: "4: every tool call is answered before the next user message",
    alter: {
      apply: `alter function parley.open_tool_calls(uuid) rename to open_tool_calls_really;
        create function parley.open_tool_calls(chat uuid)
          returns table (message_id bigint, ordinal integer, tool_call_id text, tool_name text, input jsonb)
          language sql stable as 'select * from parley.open_tool_calls_really(chat) limit 0'`,
      undo: `drop function if exists parley.open_tool_calls(uuid);
        alter function parley.open_tool_calls_really(uuid) rename to open_tool_calls`,
    },
  },
  {
    name: "stream loses parts",
    checker: "parts",
    breaks: "5: live parts are contiguous",
    install: arriving("message_part", ({ rng }) => (rng.chance(0.1) ? 0 : 1)),
  },
  {
    name: "somebody writes around the machine",
    checker: "transitions",
    breaks: "6: every transition is in the table",
    install: ({ cluster, scheduler, rng }) => {
      const write = (): void => {
        const [replica] = cluster.replicas;
        if (replica) {
          cluster.database.rogue(
            replica.process,
            `update parley.chats set status = 'waiting', archived = true, snapshot_version = snapshot_version + 1
             where id in (select id from parley.chats where status = 'running' and queue_length = 0 limit 1)`,
          );
        }
        scheduler.after(rng.exponential(2_000), write);
      };
      scheduler.after(8_000, write);
    },
  },
  {
    name: "metadata does not count",
    checker: "versions",
    breaks: "7: versions tell the truth",
    alter: {
      apply: mutateFunction(
        "chats_keep_metadata_rules",
        "old.metadata_version + 1",
        "old.metadata_version",
      ),
      undo: restoreFunction("chats_keep_metadata_rules"),
    },
    options: { onlyFaults: [] },
  },
  {
    name: "the dead are not found",
    checker: "liveness",
    breaks: "8: work is found",
    install: both(
      rewriting("workers.suspects", (text) => `select * from (${text}) as found limit 0`),
      rewriting("acquisition.look", (text) => `select * from (${text}) as found limit 0`),
    ),
    options: { onlyFaults: ["crash", "power_off", "crash_at_commit", "bus_dead"], replicas: 3 },
  },
  {
    name: "everybody is somebody else",
    checker: "access",
    breaks: "9: no one sees a chat that he may not",
    install: rewriting("api_tokens.find_live", (text) =>
      text.replace(
        "p.id as principal_id",
        "(select id from parley.principals order by id limit 1) as principal_id",
      ),
    ),
  },
  {
    name: "approval is not asked for",
    checker: "tools",
    breaks: "10: nothing runs unapproved",
    install: both(
      rewriting("tool_executions.tracked", (text) =>
        text.replace(
          "e.state",
          "case when e.state = 'intent' and e.needs_approval then 'approved' else e.state end as state",
        ),
      ),
      rewriting("tool_executions.start", (text) =>
        text.replace("e.state = 'approved' or", "e.state in ('approved', 'intent') or"),
      ),
    ),
    options: { onlyFaults: [], models: { tools: 150 } },
  },
  {
    name: "started counts as never run",
    checker: "tools",
    breaks: "10: nothing at-most-once runs twice",
    install: both(
      rewriting("tool_executions.tracked", (text) =>
        text.replace(
          "e.state",
          "case e.state when 'started' then 'intent' else e.state end as state",
        ),
      ),
      rewriting("tool_executions.start", (text) =>
        text.replace("e.state = 'approved' or", "e.state in ('approved', 'started') or"),
      ),
    ),
    options: { onlyFaults: ["crash", "crash_at_commit"], replicas: 3, models: { tools: 150 } },
  },
  {
    name: "links are never closed",
    checker: "leaks",
    breaks: "nothing is left behind",
    install: ({ cluster }) => {
      cluster.relay.ignoresClose = true;
    },
    options: { onlyFaults: [], replicas: 3 },
  },
  {
    name: "a statement always fails",
    checker: "answers",
    breaks: "every answer is typed",
    install: rewriting("chat_queue.rank", (text) => text.replace("o.n - 1\n", "(o.n / 0)\n")),
  },
  {
    name: "an answer never comes",
    checker: "transactions",
    breaks: "no transaction waits for anything else",
    install: (site) => {
      const now = sometimes(site, 0.02);
      site.cluster.database.sabotage.swallows = ({ session, text }) =>
        text === null && session.status === "T" && now();
    },
  },
];

/** @throws RangeError where there is none of that name */
export function mutationOf(name: string): Mutation {
  const found = mutations.find((mutation) => mutation.name === name);
  if (found === undefined) {
    throw new RangeError(
      `no mutation "${name}": there are ${mutations.map((m) => m.name).join(", ")}`,
    );
  }
  return found;
}
