import { createHash, randomUUID } from "node:crypto";
import type { McpServer } from "@parley/protocol";
import type { MessageRow, ChatRow } from "../src/domain/rows.ts";
import type { Commit } from "../src/domain/commit.ts";
import { noLimits, type RunningLimits } from "../src/domain/running-limits.ts";
import { stateOf, type State } from "../src/domain/state.ts";
import { systemClock } from "../src/lib/clock.ts";
import { ManualClock } from "../src/lib/manual-clock.ts";
import { silentLogger } from "../src/lib/logger.ts";
import { seededRandom, systemRandom } from "../src/lib/random.ts";
import { Sealer } from "../src/lib/seal.ts";
import { ChatServers } from "../src/machine/chat-servers.ts";
import { Machine } from "../src/machine/machine.ts";
import { createChat } from "../src/machine/transitions/create-chat.ts";
import { interrupt } from "../src/machine/transitions/interrupt.ts";
import { sendMessage } from "../src/machine/transitions/send-message.ts";
import { CheckpointLoop } from "../src/parts/checkpoint-loop.ts";
import { PartBuffer } from "../src/parts/part-buffer.ts";
import { createDatabase, type Database } from "../src/postgres/database.ts";
import type { NewChat } from "../src/store/chats.ts";
import { createCheckpoints } from "../src/store/checkpoints.ts";
import { createFileStore } from "../src/store/file-bytes.ts";
import { SchemaChecker } from "../src/schemas/checker.ts";
import type { McpServerDefinition } from "../src/tools/mcp/definition.ts";
import { McpTools } from "../src/tools/mcp/mcp-tools.ts";
import { Reach } from "../src/tools/mcp/reach.ts";
import { ToolRegistry } from "../src/tools/registry.ts";
import type { Tool } from "../src/tools/tool.ts";
import { subAgentTools } from "../src/tools/sub-agents/tools.ts";
import { silentObserver, type WorkerObserver } from "../src/worker/observer.ts";
import { SubAgentService, type SubAgentLimits } from "../src/worker/sub-agents/service.ts";
import { createWorker, type Worker, type WorkerOptions } from "../src/worker/worker.ts";
import { eventually } from "./eventually.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";
import { ScriptedModels } from "./scripted-models.ts";
import { databaseUrl } from "./server-process.ts";

/** A database and the replicas on it. Their news reach one another as over a bus that works, unless they are cut off. */
export class Cluster {
  readonly database: Database;
  readonly owner = randomUUID();
  readonly #test: TestDatabase;
  readonly #replicas = new Set<Replica>();
  #listeners: (() => void)[] = [];
  #offsetMs = 0;

  private constructor(test: TestDatabase) {
    this.#test = test;
    this.database = test.database;
  }

  static async create(): Promise<Cluster> {
    const cluster = new Cluster(await createTestDatabase());
    await cluster.sql(
      `insert into parley.principals (id, name) values ('${cluster.owner}', 'owner')`,
    );
    return cluster;
  }

  get settings(): TestDatabase["settings"] {
    return this.#test.settings;
  }

  async replica(options: ReplicaOptions = {}): Promise<Replica> {
    const replica = new Replica(this, options);
    this.#replicas.add(replica);
    await replica.mcp?.start();
    if (options.start !== false) await replica.worker.start();
    return replica;
  }

  /** Stops the replicas, forgets their chats and workers. */
  async reset(): Promise<void> {
    for (const replica of this.#replicas) await replica.stop();
    this.#replicas.clear();
    await this.setOffset(0);
    await this.sql(`delete from parley.chats; delete from parley.workers`);
  }

  async drop(): Promise<void> {
    for (const replica of this.#replicas) await replica.stop();
    await this.#test.drop();
  }

  async sql(text: string): Promise<void> {
    await this.database.write(async (tx) => await tx.exec(text), { operation: "test" });
  }

  async rows<R>(text: string): Promise<R[]> {
    const name = `test:${createHash("sha1").update(text).digest("hex")}`;
    return await this.database.one<R>({ name, text }, { operation: "test" });
  }

  /** Moves the database's clock. */
  async advance(ms: number): Promise<void> {
    await this.setOffset(this.#offsetMs + ms);
  }

  async setOffset(ms: number): Promise<void> {
    if (ms === this.#offsetMs) return;
    this.#offsetMs = ms;
    await this
      .sql(`create or replace function parley.now() returns timestamptz language sql volatile parallel safe
      as 'select clock_timestamp() + interval ''${ms} milliseconds'''`);
  }

  /**
   * The lease of every worker but the given one's is over, and that one has been healthy for long enough to take what
   * they had; it looks for dead owners at once.
   */
  async bury(survivor: Replica): Promise<void> {
    await this.sql(`
      update parley.workers set healthy_since = parley.now() - interval '1 minute' where id = '${survivor.worker.id}';
      update parley.workers set heartbeat_at = parley.now() - interval '1 hour' where id <> '${survivor.worker.id}'`);
    await survivor.clock.advance(300);
  }

  published(from: Replica, commits: readonly Commit[]): void {
    for (const other of this.#replicas) {
      if (other === from || other.cutOff) continue;
      for (const { chat } of commits) {
        const unowned = chat.worker_id === null && chat.runnable_since !== null;
        const { id: chat_id, snapshot_version, metadata_version } = chat;
        const hint = { chat_id, snapshot_version, metadata_version, unowned };
        other.worker.onHint(hint);
        other.subAgents.onHint(hint);
      }
    }
    for (const listener of this.#listeners.splice(0)) listener();
  }

  async chat(chatId: string): Promise<ChatRow> {
    const [row] = await this.rows<ChatRow>(`select * from parley.chats where id = '${chatId}'`);
    if (row === undefined) throw new Error(`no chat ${chatId}`);
    return row;
  }

  async history(chatId: string): Promise<MessageRow[]> {
    return await this.rows<MessageRow>(
      `select * from parley.chat_messages where chat_id = '${chatId}' and not deleted order by id`,
    );
  }

  /** Waits for the row to look like that; looks whenever any replica has committed anything. */
  async until(chatId: string, is: (row: ChatRow) => boolean): Promise<ChatRow> {
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#listeners.push(resolve);
      const row = await this.chat(chatId);
      if (is(row)) return row;
      await promise;
    }
  }

  async untilState(chatId: string, ...states: State[]): Promise<ChatRow> {
    return await this.until(chatId, (row) => states.includes(stateOf(row)));
  }

  /** Idle, and given up. */
  async untilIdle(chatId: string): Promise<ChatRow> {
    return await this.until(chatId, (row) => row.runnable_since === null && row.worker_id === null);
  }
}

export interface ReplicaOptions {
  readonly tools?: readonly Tool[];
  readonly worker?: Partial<WorkerOptions>;
  readonly models?: ScriptedModels;
  readonly observer?: Partial<WorkerObserver>;
  /** Another way to the same database. */
  readonly settings?: TestDatabase["settings"];
  readonly poolSize?: number;
  readonly start?: boolean;
  readonly limits?: Partial<RunningLimits>;
  /** MCP servers of the deployment; chats may bring their own along then, on loopback. */
  readonly mcp?: readonly McpServerDefinition[];
  /** Its models are offered the tools by which they have others work for them. */
  readonly subAgents?: Partial<SubAgentLimits>;
}

/** One replica without its API: machine, worker, part buffer and checkpoints, under a clock that the test moves. */
export class Replica {
  readonly cluster: Cluster;
  readonly clock = new ManualClock();
  readonly models: ScriptedModels;
  readonly tools: ToolRegistry;
  readonly mcp: McpTools | null;
  readonly chatServers: ChatServers;
  readonly schemas = new SchemaChecker({ clock: systemClock });
  readonly database: Database;
  readonly machine: Machine;
  readonly parts: PartBuffer;
  readonly checkpoints: CheckpointLoop;
  readonly worker: Worker;
  readonly subAgents: SubAgentService;
  readonly commits: Commit[] = [];
  /** Hears nothing from others. */
  cutOff = false;
  /** What the database calls the sessions of this replica. */
  readonly #sessions = `parley-${randomUUID()}`;
  #stopped = false;

  constructor(cluster: Cluster, options: ReplicaOptions) {
    const { clock } = this;
    this.cluster = cluster;
    this.models = options.models ?? new ScriptedModels();
    this.tools = new ToolRegistry(options.tools ?? []);
    const url = databaseUrl({ settings: options.settings ?? cluster.settings });
    this.database = createDatabase({
      connectionString: `${url}?application_name=${this.#sessions}`,
      ...(options.poolSize === undefined ? {} : { poolSize: options.poolSize }),
    });
    this.parts = new PartBuffer({ clock, logger: silentLogger });
    const port = createCheckpoints(this.database);
    this.checkpoints = new CheckpointLoop({ parts: this.parts, port, clock, logger: silentLogger });
    this.machine = new Machine({
      database: this.database,
      acquirer: null,
      leaseMs: 20_000,
      limits: { ...noLimits, ...options.limits },
      publisher: {
        published: (commits) => {
          this.commits.push(...commits);
          this.parts.onCommits(commits);
          this.worker.onCommits(commits);
          this.subAgents.onCommits(commits);
          cluster.published(this, commits);
        },
        perhaps: (chatId) => {
          this.worker.perhaps(chatId);
          cluster.published(this, []);
        },
      },
    });
    const random = {
      // Jitter is the only use of chance that a test could want to repeat; ids must differ between replicas.
      ...seededRandom(1),
      uuid: systemRandom({ now: () => Date.now() }).uuid,
      bytes: systemRandom(clock).bytes,
    };
    const observer = { ...silentObserver, ...options.observer };
    this.chatServers = new ChatServers(new Sealer("the same for all replicas", random));
    this.mcp =
      options.mcp === undefined
        ? null
        : new McpTools({
            servers: options.mcp,
            version: "test",
            clock,
            random,
            logger: silentLogger,
            reach: new Reach(["127.0.0.1"]),
          });
    if (this.mcp !== null) this.tools.addSource(this.mcp.source);
    this.subAgents = new SubAgentService({
      machine: this.machine,
      database: this.database,
      models: this.models,
      clock,
      random,
      observer,
      servers: this.chatServers,
      limits: { depthMax: 3, busyMax: 20, queueMessagesMax: 20, ...options.subAgents },
    });
    if (options.subAgents !== undefined) {
      const tools = subAgentTools(this.subAgents, { offeredTo: () => true });
      for (const tool of tools) this.tools.register(tool);
    }
    const checkpoints = this.checkpoints;
    this.worker = createWorker({
      machine: this.machine,
      database: this.database,
      parts: this.parts,
      files: createFileStore(this.database),
      checkpoints: {
        flush: async () => await checkpoints.flush(),
        flushEpisode: async (key) => await checkpoints.flushEpisode(key),
        read: async (chatId, historyVersion) => await port.read(chatId, historyVersion),
      },
      models: this.models,
      tools: this.tools,
      ...(this.mcp !== null && { mcp: { tools: this.mcp, servers: this.chatServers } }),
      schemas: this.schemas,
      clock,
      random,
      logger: silentLogger,
      observer,
      options: { version: "test", ...options.worker },
    });
  }

  /** Makes a chat as the API does: one bundle, offered to this replica's worker. */
  async create(
    content = "hello",
    over: Partial<NewChat> = {},
    acquire = true,
    servers: readonly McpServer[] = [],
  ): Promise<string> {
    const id = randomUUID();
    const chat: NewChat = {
      id,
      owner_id: this.cluster.owner,
      parent_chat_id: null,
      root_chat_id: id,
      title: null,
      labels: {},
      model: "test/model",
      reasoning_effort: null,
      system_prompt: null,
      client_tools: [],
      status: "running",
      ...over,
    };
    await this.machine.create(
      chat,
      async (bundle) => {
        await createChat(bundle, {
          messages: [{ role: "user", parts: [{ type: "text", text: content }] }],
        });
        if (servers.length === 0) return;
        await bundle.set(await this.chatServers.replace(bundle.tx, bundle.sketch, servers));
      },
      { acquire, operation: "api.create" },
    );
    return id;
  }

  /** Gives the chat MCP servers as the API does. */
  async bring(chatId: string, servers: readonly McpServer[]): Promise<void> {
    await this.machine.lock(chatId, async (chat, transaction) => {
      const shown = await this.chatServers.replace(transaction.tx, chat, servers);
      await transaction.patch(chatId, shown);
    });
  }

  async send(
    chatId: string,
    content: string,
    when_busy: "queue" | "steer" | "interrupt" | "reject" = "queue",
    over: { model?: string } = {},
  ): Promise<void> {
    const message = {
      parts: [{ type: "text" as const, text: content }],
      model: null,
      reasoning_effort: null,
      client_id: null,
      created_by: null,
      ...over,
    };
    await this.machine.update(
      chatId,
      async (bundle) => await sendMessage(bundle, { message, when_busy, queueMessagesMax: 20 }),
      { acquire: true, operation: "api.send" },
    );
  }

  async interrupt(chatId: string, hold = false): Promise<void> {
    await this.machine.update(chatId, async (bundle) => await interrupt(bundle, { hold }), {
      acquire: true,
      operation: "api.interrupt",
    });
  }

  /** Lets time pass, a little at a time, until the promise is settled. */
  async passTime<T>(promise: Promise<T>, stepMs = 250): Promise<T> {
    const state = { settled: false };
    const mark = (): void => void (state.settled = true);
    promise.then(mark, mark);
    while (!state.settled) await this.clock.advance(stepMs);
    return await promise;
  }

  /**
   * As after kill -9: nothing is given up, the lock is gone, the beats end. Nothing that it sent is still to come: the
   * database notices the end of a session in its own time, and until then holds its locks and may do its last statement.
   */
  async kill(): Promise<void> {
    this.#stopped = true;
    this.cutOff = true;
    await this.worker.kill();
    await this.mcp?.stop();
    await this.schemas.stop();
    await this.checkpoints.stop();
    this.parts.stop();
    await this.database.close();
    await eventually("the database has ended the sessions of the dead", async () => {
      const left = await this.cluster.rows(
        `select pid from pg_stat_activity where application_name = '${this.#sessions}'`,
      );
      return left.length === 0;
    });
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.worker.stop();
    await this.mcp?.stop();
    await this.schemas.stop();
    await this.checkpoints.stop();
    this.parts.stop();
    await this.database.close();
  }
}
