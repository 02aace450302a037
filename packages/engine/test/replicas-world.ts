import { randomUUID } from "node:crypto";
import type { ChatRow, MessageRow } from "../src/domain/rows.ts";
import type { Commit } from "../src/domain/commit.ts";
import { messageOf } from "../src/domain/representation.ts";
import { silentLogger } from "../src/lib/logger.ts";
import type { ManualClock } from "../src/lib/manual-clock.ts";
import { seededRandom } from "../src/lib/random.ts";
import type { Bundle } from "../src/machine/bundle.ts";
import { Machine } from "../src/machine/machine.ts";
import { commitStep } from "../src/machine/transitions/commit-step.ts";
import { createChat } from "../src/machine/transitions/create-chat.ts";
import { finishTurn } from "../src/machine/transitions/finish-turn.ts";
import { recordGenerationAttempt } from "../src/machine/transitions/record-generation-attempt.ts";
import type { EpisodeKey, EpisodeWriter } from "../src/parts/ports.ts";
import { createDatabase, type Database } from "../src/postgres/database.ts";
import { createCheckpoints } from "../src/store/checkpoints.ts";
import { digestOf } from "../src/stream/digest.ts";
import { ChatStreams } from "../src/stream/streams.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import { TestFleet, type TestReplica } from "./relay-network.ts";
import { newChatClient, text, type TestClient } from "./stream-world.ts";

/** Replicas in one process over one real database: their relay is a network of the test's, their clock moves by hand. */
export class ReplicasWorld {
  readonly fleet = new TestFleet();
  readonly owner = randomUUID();
  readonly replicas: FeedReplica[] = [];
  readonly #test: TestDatabase;

  private constructor(test: TestDatabase) {
    this.#test = test;
  }

  static async create(): Promise<ReplicasWorld> {
    const world = new ReplicasWorld(await createTestDatabase());
    await world.sql(`insert into parley.principals (id, name) values ('${world.owner}', 'owner')`);
    return world;
  }

  get clock(): ManualClock {
    return this.fleet.clock;
  }

  get settings(): TestDatabase["settings"] {
    return this.#test.settings;
  }

  /** `through`: another way to the database, a proxy's say, for its streams. */
  async replica(through: TestDatabase["settings"] = this.settings): Promise<FeedReplica> {
    const replica = new FeedReplica(this, this.#test.database, through);
    await this.sql(
      `insert into parley.workers (id, version, capacity) values ('${replica.id}', 'test', 10)`,
    );
    this.replicas.push(replica);
    return replica;
  }

  async drop(): Promise<void> {
    for (const replica of this.replicas) await replica.stop();
    await this.fleet.stop();
    await this.#test.drop();
  }

  async sql(statement: string): Promise<void> {
    await this.#test.database.write(async (tx) => await tx.exec(statement), { operation: "test" });
  }

  async rows<R>(statement: string, values: unknown[] = []): Promise<R[]> {
    const name = `test:${digestOf(statement)}`;
    return await this.#test.database.one<R>(
      { name, text: statement, values },
      { operation: "test" },
    );
  }

  async chat(id: string): Promise<ChatRow> {
    const [row] = await this.rows<ChatRow>(`select * from parley.chats where id = $1`, [id]);
    if (!row) throw new Error(`no chat ${id}`);
    return row;
  }

  async history(id: string): Promise<ReturnType<typeof messageOf>[]> {
    const rows = await this.rows<MessageRow>(
      `select * from parley.chat_messages
       where chat_id = $1 and not deleted and visibility <> 'model' order by id`,
      [id],
    );
    return rows.map(messageOf);
  }

  /** The bus: to everybody else who hears. */
  published(from: FeedReplica, commits: readonly Commit[]): void {
    for (const other of this.replicas) {
      if (other === from || !other.hears) continue;
      for (const { chat, deleted } of commits) {
        other.streams.hint({
          chat_id: chat.id,
          snapshot_version: chat.snapshot_version + (deleted ? 1 : 0),
          metadata_version: chat.metadata_version,
          unowned: false,
        });
      }
    }
  }

  /** Lets everything that is under way arrive; no time passes. */
  async settle(): Promise<void> {
    await this.fleet.settle();
  }
}

/** What a replica's streams are made of, and a worker's hands: the test commits what a runner would. */
export class FeedReplica {
  readonly id = randomUUID();
  readonly relay: TestReplica;
  /** Of its streams; its counters show what they read. */
  readonly database: Database;
  readonly machine: Machine;
  readonly streams: ChatStreams;
  /** Hears what the bus brings. */
  hears = true;
  /** Publishes what it commits, to its own streams and to the bus. False: as if it died between the two. */
  publishes = true;
  /** Gives its commits to its own streams. */
  handsOver = true;
  readonly #world: ReplicasWorld;

  constructor(world: ReplicasWorld, committing: Database, through: TestDatabase["settings"]) {
    this.#world = world;
    const { clock } = world;
    this.relay = world.fleet.replica(this.id);
    this.database = createDatabase({ ...through });
    this.streams = new ChatStreams({
      database: this.database,
      episodes: this.relay.episodes,
      checkpoints: createCheckpoints(this.database),
      clock,
      random: seededRandom(this.id, clock),
      logger: silentLogger,
    });
    this.relay.onRecheck = async (chatIds) => await this.streams.recheck(chatIds);
    this.machine = new Machine({
      database: committing,
      acquirer: null,
      leaseMs: 20_000,
      publisher: {
        published: (commits) => {
          if (!this.publishes) return;
          this.relay.buffer.onCommits(commits);
          if (this.handsOver) this.streams.committed(commits);
          world.published(this, commits);
        },
        perhaps: (chatId) => this.streams.perhaps(chatId),
      },
    });
  }

  /** How much its streams have read since. */
  reads(since: ReturnType<Database["stats"]["snapshot"]>): number {
    const { total } = this.database.stats.since(since);
    return total.reads + total.singles;
  }

  async stop(): Promise<void> {
    await this.streams.stop();
    await this.database.close();
  }

  /** A chat with a turn that runs, driven by this replica. */
  async running(content = "hello"): Promise<string> {
    const id = randomUUID();
    await this.machine.create(
      {
        id,
        owner_id: this.#world.owner,
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
        await bundle.set({ worker_id: this.id, runner_id: randomUUID() });
      },
    );
    return id;
  }

  async update<T>(id: string, fn: (bundle: Bundle) => Promise<T>): Promise<T> {
    return await this.machine.update(id, fn);
  }

  /** Takes the chat from whoever has it. */
  async take(id: string): Promise<void> {
    await this.update(id, async (bundle) => {
      await bundle.set({ worker_id: this.id, runner_id: randomUUID() });
    });
  }

  /** Records the next attempt, and opens its episode. */
  async attempt(id: string): Promise<{ key: EpisodeKey; writer: EpisodeWriter }> {
    await this.update(id, async (bundle) => await recordGenerationAttempt(bundle));
    const { history_version, generation_attempt, runner_id } = await this.#world.chat(id);
    const key = { chat_id: id, history_version, generation_attempt };
    return { key, writer: this.relay.buffer.open(key, runner_id ?? "") };
  }

  /** Commits the reply, and ends the turn. */
  async reply(id: string, content: string, key: EpisodeKey): Promise<void> {
    const { history_version, generation_attempt } = key;
    const episode = { history_version, generation_attempt };
    await this.update(id, async (bundle) => {
      await commitStep(bundle, {
        messages: [{ role: "assistant", parts: text(content), finish_reason: "stop", episode }],
      });
      await finishTurn(bundle);
    });
  }

  /** A subscriber here; `chat`: the row that it was authorized by, where that is an older one. */
  async open(id: string, cursor: string | null = null, chat?: ChatRow): Promise<TestClient> {
    const client = newChatClient();
    client.subscription = await this.streams.open({
      chat: chat ?? (await this.#world.chat(id)),
      principalId: this.#world.owner,
      cursor,
      sink: client,
    });
    return client;
  }
}
