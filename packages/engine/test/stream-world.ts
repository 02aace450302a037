import { randomUUID } from "node:crypto";
import { applyEvent, emptyTranscript, type Transcript } from "@parley/client";
import type { ChatEvent, LivePart, StreamCloseReason, WatchEvent } from "@parley/protocol";
import { chatEventSchema, watchEventSchema } from "@parley/protocol";
import { messageOf } from "../src/domain/representation.ts";
import type { ChatRow, MessageRow, NewMessage } from "../src/domain/rows.ts";
import { noLimits, type RunningLimits } from "../src/domain/running-limits.ts";
import { silentLogger } from "../src/lib/logger.ts";
import { ManualClock } from "../src/lib/manual-clock.ts";
import { seededRandom } from "../src/lib/random.ts";
import type { Bundle } from "../src/machine/bundle.ts";
import { Machine } from "../src/machine/machine.ts";
import { commitStep } from "../src/machine/transitions/commit-step.ts";
import { createChat } from "../src/machine/transitions/create-chat.ts";
import { finishTurn } from "../src/machine/transitions/finish-turn.ts";
import { recordGenerationAttempt } from "../src/machine/transitions/record-generation-attempt.ts";
import { sendMessage } from "../src/machine/transitions/send-message.ts";
import { PartBuffer } from "../src/parts/part-buffer.ts";
import type { EpisodeKey, EpisodeWriter } from "../src/parts/ports.ts";
import { createDatabase, type Database, type DatabaseOptions } from "../src/postgres/database.ts";
import { createCheckpoints } from "../src/store/checkpoints.ts";
import { digestOf } from "../src/stream/digest.ts";
import type { EncodedEvent, Sink, Subscription } from "../src/stream/ports.ts";
import { ChatStreams } from "../src/stream/streams.ts";
import { ChatWatch } from "../src/stream/watch.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";

/** A client: collects what its sink is given, and folds it as the SDK does. */
export class TestClient<E = ChatEvent> implements Sink {
  readonly events: E[] = [];
  readonly frames: number[] = [];
  closed: StreamCloseReason | null = null;
  /** Whether it takes more; while false, it is slow. */
  fast = true;
  subscription: Subscription | null = null;
  readonly #parse: (json: unknown) => E;
  #waiters: (() => void)[] = [];

  constructor(parse: (json: unknown) => E) {
    this.#parse = parse;
  }

  write(events: readonly EncodedEvent[]): boolean {
    this.frames.push(events.length);
    for (const event of events) this.events.push(this.#parse(JSON.parse(event.json())));
    this.#wake();
    return this.fast;
  }

  close(reason: StreamCloseReason): void {
    this.closed = reason;
    this.#wake();
  }

  drain(): void {
    this.fast = true;
    this.subscription?.drained();
  }

  types(): string[] {
    return this.events.map((event) => (event as { type: string }).type);
  }

  async until(done: (client: this) => boolean): Promise<this> {
    while (!done(this)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiters.push(resolve);
      await promise;
    }
    return this;
  }

  async ready(): Promise<this> {
    return await this.until((client) => client.types().includes("ready"));
  }

  async ended(): Promise<StreamCloseReason> {
    await this.until((client) => client.closed !== null);
    return this.closed as StreamCloseReason;
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}

export const newChatClient = (): TestClient =>
  new TestClient((json) => chatEventSchema.parse(json) as ChatEvent);
export const newWatchClient = (): TestClient<WatchEvent> =>
  new TestClient((json) => watchEventSchema.parse(json));

export function foldEvents(
  events: readonly ChatEvent[],
  from: Transcript = emptyTranscript,
): Transcript {
  return events.reduce(applyEvent, from);
}

export const text = (value: string): NewMessage["parts"] => [{ type: "text", text: value }];

export const delta = (value: string, index = 0): LivePart => ({
  type: "text",
  index,
  delta: value,
});

/** One replica without worker and API: the machine, the part buffer and the streams, over a database of its own. */
export class StreamWorld {
  readonly clock = new ManualClock();
  readonly database: Database;
  readonly machine: Machine;
  readonly parts: PartBuffer;
  readonly streams: ChatStreams;
  readonly watch: ChatWatch;
  readonly owner = randomUUID();
  readonly worker = randomUUID();
  readonly runner = randomUUID();
  /** False: commits made here are not handed over, as if another replica had made them and the bus had lost it. */
  handOver = true;
  readonly #drop: () => Promise<void>;
  #extra: Database[] = [];

  private constructor(
    test: TestDatabase,
    database: Database,
    limits: Partial<RunningLimits>,
    drop: () => Promise<void>,
  ) {
    this.database = database;
    this.#drop = drop;
    const { clock } = this;
    const random = seededRandom(7, clock);
    const shared = { database, clock, random, logger: silentLogger };
    this.parts = new PartBuffer({ clock, logger: silentLogger });
    this.streams = new ChatStreams({
      ...shared,
      episodes: this.parts,
      checkpoints: createCheckpoints(database),
      rules: { limits: { ...noLimits, ...limits }, lease_ms: 20_000, silence_ms: 1_500 },
    });
    this.watch = new ChatWatch(shared);
    this.machine = new Machine({
      database: test.database,
      acquirer: null,
      leaseMs: 20_000,
      publisher: {
        published: (commits) => {
          this.parts.onCommits(commits);
          if (!this.handOver) return;
          this.streams.committed(commits);
          this.watch.committed(commits);
        },
        perhaps: (chatId) => this.streams.perhaps(chatId),
      },
    });
  }

  /** `through`: how the streams reach the database; the machine goes straight to it. */
  static async create(
    through: (settings: TestDatabase["settings"]) => Partial<DatabaseOptions> = () => ({}),
    limits: Partial<RunningLimits> = {},
  ): Promise<StreamWorld> {
    const test = await createTestDatabase();
    const database = createDatabase({ ...test.settings, ...through(test.settings) });
    const world = new StreamWorld(test, database, limits, async () => {
      await database.close();
      await test.drop();
    });
    await world.sql(`insert into parley.principals (id, name) values ('${world.owner}', 'owner')`);
    await world.sql(
      // However long the test takes, it does not die.
      `insert into parley.workers (id, version, capacity, heartbeat_at)
       values ('${world.worker}', 'test', 10, parley.now() + interval '1 day')`,
    );
    return world;
  }

  async drop(): Promise<void> {
    await this.streams.stop();
    await this.watch.stop();
    this.parts.stop();
    for (const database of this.#extra) await database.close();
    await this.#drop();
  }

  async sql(statement: string): Promise<void> {
    await this.machine.transaction(async ({ tx }) => await tx.exec(statement), "test");
  }

  async rows<R>(statement: string, values: unknown[] = []): Promise<R[]> {
    const name = `test:${digestOf(statement)}`;
    return await this.machine.read((tx) => tx.query<R>({ name, text: statement, values }), "test");
  }

  async chat(id: string): Promise<ChatRow> {
    const [row] = await this.rows<ChatRow>(`select * from parley.chats where id = $1`, [id]);
    if (!row) throw new Error(`no chat ${id}`);
    return row;
  }

  /** What clients may see of the history, as they should see it. */
  async history(id: string): Promise<ReturnType<typeof messageOf>[]> {
    const rows = await this.rows<MessageRow>(
      `select * from parley.chat_messages
       where chat_id = $1 and not deleted and visibility <> 'model' order by id`,
      [id],
    );
    return rows.map(messageOf);
  }

  /** A chat with a running turn, owned by a runner of this replica. */
  async running(content = "hello", owned = true): Promise<string> {
    const id = randomUUID();
    await this.machine.create(
      {
        id,
        owner_id: this.owner,
        parent_chat_id: null,
        root_chat_id: id,
        title: null,
        labels: {},
        model: "test/model",
        reasoning_effort: null,
        system_prompt: null,
        client_tools: [],
        status: "running",
      },
      async (bundle) => {
        await createChat(bundle, { messages: [{ role: "user", parts: text(content) }] });
        if (owned) await bundle.set({ worker_id: this.worker, runner_id: this.runner });
      },
    );
    return id;
  }

  async update<T>(id: string, fn: (bundle: Bundle) => Promise<T>): Promise<T> {
    return await this.machine.update(id, fn);
  }

  /** Records the next attempt, and opens its episode. */
  async attempt(id: string): Promise<{ key: EpisodeKey; writer: EpisodeWriter }> {
    await this.update(id, async (bundle) => await recordGenerationAttempt(bundle));
    const chat = await this.chat(id);
    const { history_version, generation_attempt } = chat;
    const key = { chat_id: id, history_version, generation_attempt };
    return { key, writer: this.parts.open(key, this.runner) };
  }

  /** Commits the reply, and ends the turn. */
  async reply(id: string, content: string, key: EpisodeKey, finish = true): Promise<void> {
    const { history_version, generation_attempt } = key;
    const episode = { history_version, generation_attempt };
    await this.update(id, async (bundle) => {
      await commitStep(bundle, {
        messages: [{ role: "assistant", parts: text(content), finish_reason: "stop", episode }],
      });
      if (finish) await finishTurn(bundle);
    });
  }

  /** A whole turn: streamed in deltas, committed, ended. */
  async turn(id: string, words: readonly string[]): Promise<void> {
    const { key, writer } = await this.attempt(id);
    for (const word of words) writer.append(delta(word));
    writer.append({ type: "text", index: 0, text: words.join("") });
    writer.close();
    await this.reply(id, words.join(""), key);
  }

  async send(
    id: string,
    content: string,
    when_busy: "queue" | "steer" | "interrupt" | "reject" = "queue",
  ): Promise<void> {
    const message = {
      parts: text(content),
      model: null,
      reasoning_effort: null,
      client_id: null,
      created_by: null,
    };
    await this.update(
      id,
      async (bundle) => await sendMessage(bundle, { message, when_busy, queueMessagesMax: 20 }),
    );
  }

  /** Names a runner on the chat again: transitions that end a turn do not give it up by themselves here. */
  async own(id: string): Promise<void> {
    await this.update(id, async (bundle) => {
      await bundle.set({ worker_id: this.worker, runner_id: this.runner });
    });
  }

  async open(id: string, cursor: string | null = null): Promise<TestClient> {
    const client = newChatClient();
    const chat = await this.chat(id);
    client.subscription = await this.streams.open({
      chat,
      principalId: this.owner,
      cursor,
      sink: client,
    });
    return client;
  }

  async openWatch(cursor: string | null = null): Promise<TestClient<WatchEvent>> {
    const client = newWatchClient();
    client.subscription = await this.watch.open({
      principalId: this.owner,
      cursor,
      sink: client,
    });
    return client;
  }
}
