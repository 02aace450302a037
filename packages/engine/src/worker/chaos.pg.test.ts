import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Cluster, type Replica } from "../../test/replica.ts";
import { fails, type Script } from "../../test/scripted-models.ts";
import type { MessageRow } from "../domain/rows.ts";
import { ParleyError } from "../lib/errors.ts";
import { seededRandom } from "../lib/random.ts";
import { defineTool } from "../tools/tool.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

const actionsMax = 150;
const chatsMax = 8;

/**
 * Users, models, tools, crashes and broken sessions at random. Whatever happened: every turn comes to an end, every
 * message of a user is there once, history is valid for a model, and no attempt was committed twice.
 */
test.each([1, 2, 3])("whatever happens, chats come to rest whole (seed %i)", async (seed) => {
  const random = seededRandom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.float() * list.length)] as T;
  const told = new Set<string>();
  let replicas = [await newReplica(random.float), await newReplica(random.float)];
  const chats: string[] = [];
  let sent = 0;

  const say = (): string => {
    const text = `message ${++sent}`;
    told.add(text);
    return text;
  };
  /** What a user asks for may be refused, and then it was never there. */
  const attempt = async (text: string | null, what: Promise<unknown>): Promise<void> => {
    try {
      await what;
    } catch (error) {
      if (!(error instanceof ParleyError)) throw error;
      // Perhaps it is there, perhaps not.
      if (text !== null) told.delete(text);
    }
  };

  for (let action = 0; action < actionsMax; action++) {
    const replica = pick(replicas);
    const dice = random.float();
    if (chats.length < chatsMax && dice < 0.15) {
      const text = say();
      chats.push(await replica.create(text, {}, random.float() < 0.7));
    } else if (chats.length === 0) {
      continue;
    } else if (dice < 0.5) {
      const text = say();
      const manner = pick(["queue", "steer", "interrupt"] as const);
      await attempt(text, replica.send(pick(chats), text, manner));
    } else if (dice < 0.65) {
      await attempt(null, replica.interrupt(pick(chats), random.float() < 0.3));
    } else if (dice < 0.72) {
      await cluster.rows(`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and application_name like 'parley%'
          and query not like '%pg_stat_activity%' limit 3`);
    } else if (dice < 0.76) {
      await replica.kill();
      replicas = [...replicas.filter((other) => other !== replica), await newReplica(random.float)];
    } else {
      for (const each of replicas) await each.clock.advance(100 + random.float() * 400);
    }
  }

  await settle(replicas, chats);
  for (const id of chats) {
    const history = await cluster.history(id);
    checkHistory(history);
    const queued = await cluster.rows<{ parts: MessageRow["parts"] }>(
      `select parts from parley.chat_queue where chat_id = '${id}'`,
    );
    const texts = [...history.filter(({ role }) => role === "user"), ...queued].map(textOf);
    expect(new Set(texts).size).toBe(texts.length);
    for (const text of texts) told.delete(text);
  }
  expect([...told]).toEqual([]);
  expect(ranTwice).toEqual([]);
});

function textOf({ parts }: Pick<MessageRow, "parts">): string {
  const [part] = parts;
  return part?.type === "text" ? part.text : "";
}

/** Every call is answered before the next message of a user; no attempt has left two messages. */
function checkHistory(history: readonly MessageRow[]): void {
  let open: string[] = [];
  for (const { role, parts } of history) {
    if (role === "user") expect(open).toEqual([]);
    for (const part of parts) {
      if (part.type === "tool-call") open.push(part.tool_call_id);
      if (part.type === "tool-result") open = open.filter((id) => id !== part.tool_call_id);
    }
  }
  expect(open).toEqual([]);
  const episodes = history.flatMap(({ episode }) => (episode ? [JSON.stringify(episode)] : []));
  expect(new Set(episodes).size).toBe(episodes.length);
}

let calls = 0;
const ranOnce = new Set<string>();
const ranTwice: string[] = [];

async function newReplica(float: () => number): Promise<Replica> {
  const tools = [
    defineTool({
      name: "safe",
      description: "",
      input: { type: "object" },
      delivery: "at_least_once",
      execute: async () => "done",
    }),
    defineTool({
      name: "once",
      description: "",
      input: { type: "object" },
      execute: async (_input, { signal, idempotencyKey }) => {
        if (ranOnce.has(idempotencyKey)) ranTwice.push(idempotencyKey);
        ranOnce.add(idempotencyKey);
        if (float() < 0.5) return "done";
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return "too late";
      },
    }),
  ];
  const replica = await cluster.replica({ tools });
  const script: Script = async (speaker) => {
    speaker.text("some words of an answer ");
    const dice = float();
    if (dice < 0.15) await fails("overloaded")(speaker);
    if (dice < 0.25) await speaker.hang();
    if (dice > 0.75) {
      speaker.call(`call ${++calls}`, float() < 0.5 ? "safe" : "once");
      return "tool_calls";
    }
    return "stop";
  };
  replica.models.enqueue(...Array.from({ length: 500 }, () => script));
  return replica;
}

/** Ends what hangs, lets time pass, and buries the dead, until nothing is left to do. */
async function settle(replicas: readonly Replica[], chats: readonly string[]): Promise<void> {
  for (const id of chats) {
    for (;;) {
      const { status } = await cluster.chat(id);
      if (status === "waiting" || status === "error") break;
      const [replica] = replicas;
      if (status === "running" && replica) await replica.interrupt(id).catch(() => {});
      await cluster.sql(`
        update parley.workers set healthy_since = parley.now() - interval '1 minute';
        update parley.workers set heartbeat_at = parley.now() - interval '1 hour'
          where id not in (${replicas.map((each) => `'${each.worker.id}'`).join(", ")})`);
      for (const each of replicas) await each.clock.advance(250);
    }
  }
}
