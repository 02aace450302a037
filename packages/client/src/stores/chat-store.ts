import { limits } from "@parley/protocol";
import type { Chat, ChatEvent, Message, SendMessageAnswer } from "@parley/protocol";
import type { Client } from "../client.ts";
import type { Connection } from "../subscription/options.ts";
import type { Subscription } from "../subscription/subscription.ts";
import { addOlder, applyEvents, type Transcript } from "../transcript.ts";
import { Audience } from "./audience.ts";
import { emptyChatState, type ChatState } from "./chat-state.ts";
import { connectionView, notConnected } from "./connection-state.ts";
import { PendingSends, type OutgoingMessage } from "./pending-sends.ts";
import { Publisher } from "./publisher.ts";
import { ResetHold } from "./reset-hold.ts";
import { ToolRunner, type ClientToolHandlers } from "./tool-runner.ts";

export interface ChatStoreOptions {
  client: Client;
  chatId: string;
  /** How long the stream is kept after the last listener has left. */
  lingerMs: number;
  /** It begins to be followed, or is not any more. */
  onUsed(store: ChatStore): void;
}

/** Messages that `loadOlder` asks for at once. */
const olderPageMessages = 100;

/** What a stream that begins anew does not send is fetched in pages of this size, so many at most. */
const refillPageMessages = limits.pageMessagesMax;
const refillPagesMax = 10;

/**
 * One chat, kept up to date while somebody listens. All who listen share one subscription. When nobody does any more the
 * stream ends and what is known stays, so that coming back shows it at once and goes on from there.
 */
export class ChatStore {
  readonly chatId: string;
  readonly #options: ChatStoreOptions;
  readonly #audience: Audience;
  readonly #publisher: Publisher;
  readonly #pending: PendingSends;
  readonly #hold: ResetHold;
  readonly #tools: ToolRunner;
  #subscription: Subscription<ChatEvent> | null = null;
  #cursor: string | undefined;
  /** What is known; `#shown` is what listeners have been told. */
  #state: ChatState = emptyChatState;
  #shown: ChatState = emptyChatState;
  #older: Promise<void> | null = null;

  constructor(options: ChatStoreOptions) {
    const { client, chatId, lingerMs } = options;
    const { runtime } = client;
    this.#options = options;
    this.chatId = chatId;
    this.#publisher = new Publisher(runtime, () => this.#publish());
    this.#hold = new ResetHold(runtime, () => this.#endHold());
    this.#audience = new Audience({
      runtime,
      lingerMs,
      onFirst: () => this.#follow(),
      onGone: () => this.#unfollow(),
    });
    this.#tools = new ToolRunner({
      client,
      chatId,
      actions: () => this.#state.transcript.actions?.actions ?? [],
    });
    this.#pending = new PendingSends({
      runtime,
      post: (body) => client.sendMessage(chatId, body),
      transcript: () => this.#state.transcript,
      isFollowed: () => this.#subscription !== null,
      changed: () => this.#change({ pending: this.#pending.list }),
    });
  }

  readonly getState = (): ChatState => this.#shown;

  readonly subscribe = (listener: () => void): (() => void) => this.#audience.subscribe(listener);

  /** Somebody listens, or something is on its way: it is not to be forgotten. */
  get isNeeded(): boolean {
    return this.#audience.isOpen || this.#state.pending.length > 0;
  }

  /** Shows the message at once and sends it. @throws what the call throws; the message then stays, as failed. */
  send(message: OutgoingMessage): Promise<SendMessageAnswer> {
    return this.#pending.send(message);
  }

  retry(clientId: string): Promise<void> {
    return this.#pending.retry(clientId);
  }

  discard(clientId: string): void {
    this.#pending.discard(clientId);
  }

  /** One page of older messages; does nothing where there are none. Calls while one is on its way share it. */
  async loadOlder(): Promise<void> {
    this.#older ??= this.#loadOlder().finally(() => {
      this.#older = null;
    });
    await this.#older;
  }

  /** Tries again after the stream has ended for good: with a new token, say. */
  reconnect(): void {
    if (!this.#audience.isOpen || this.#state.connection !== "ended") return;
    this.#subscription?.close();
    this.#follow();
  }

  /** What an answer has told of a chat that nothing is known of yet. The stream replaces it. */
  seed(chat: Chat, messages: readonly Message[]): void {
    if (this.#state.transcript.chat !== null) return;
    const events: ChatEvent[] = messages.map((data) => ({ type: "message", data }));
    events.push({ type: "chat", data: chat });
    this.#change({ transcript: applyEvents(this.#state.transcript, events) });
  }

  /** Runs the calls that the chat asks of its clients, and follows it for that. */
  answerTools(handlers: () => ClientToolHandlers): () => void {
    const leave = this.subscribe(() => {});
    const withdraw = this.#tools.offer(handlers);
    return () => {
      withdraw();
      leave();
    };
  }

  close(): void {
    this.#audience.close();
  }

  #follow(): void {
    const subscription: Subscription<ChatEvent> = this.#options.client.subscribe(this.chatId, {
      cursor: this.#cursor,
      onConnection: (connection) => this.#connection(subscription, connection),
    });
    this.#subscription = subscription;
    this.#change({ ...notConnected, ended: null });
    this.#options.onUsed(this);
    void this.#read(subscription);
  }

  #unfollow(): void {
    const subscription = this.#subscription;
    this.#subscription = null;
    subscription?.close();
    this.#hold.drop();
    this.#tools.stop();
    this.#pending.unfollowed();
    this.#change({ ...notConnected });
    this.#options.onUsed(this);
  }

  /** Never rejects. */
  async #read(subscription: Subscription<ChatEvent>): Promise<void> {
    try {
      for await (const events of subscription.batches()) {
        if (this.#subscription !== subscription) return;
        this.#apply(events);
        if (this.#state.transcript.desync) this.#resync(subscription);
      }
    } catch (error) {
      if (this.#subscription !== subscription) return;
      this.#endHold();
      const ended = error instanceof Error ? error : new Error(String(error));
      this.#change({ connection: "ended", reconnectAt: null, ended });
    }
  }

  /** A live part is missing: the screen keeps what it has until the stream has begun anew. */
  #resync(subscription: Subscription<ChatEvent>): void {
    this.#cursor = undefined;
    subscription.resync();
  }

  #apply(events: readonly ChatEvent[]): void {
    this.#cursor = events.findLast(({ cursor }) => cursor !== undefined)?.cursor ?? this.#cursor;
    const { transcript } = this.#state;
    const next = applyEvents(transcript, events);
    this.#state = { ...this.#state, transcript: this.#hold.after(events, next, transcript) };
    const missing = this.#hold.takeMissing();
    if (missing !== null) void this.#loadBackTo(missing);
    if (this.#hold.held === null) this.#pending.reconcile();
    if (events.some(({ type }) => type === "ready")) this.#pending.caughtUp();
    this.#tools.look();
    if (events.every(({ type }) => type === "message_part")) this.#publisher.soon();
    else this.#publisher.now();
  }

  #connection(subscription: Subscription<ChatEvent>, connection: Connection): void {
    // The error that ends it says more, and comes with the reading.
    if (this.#subscription !== subscription || connection.phase === "ended") return;
    if (connection.phase === "connecting") {
      this.#hold.connecting();
      this.#pending.connecting();
    }
    const { runtime } = this.#options.client;
    this.#change(connectionView(this.#state, connection, runtime));
  }

  #endHold(): void {
    if (this.#hold.held === null) return;
    this.#state = { ...this.#state, transcript: this.#hold.end(this.#state.transcript) };
    this.#pending.reconcile();
    this.#publisher.now();
  }

  /** Shows nothing before everything is there. Never rejects. */
  async #loadBackTo(oldestId: number): Promise<void> {
    try {
      for (let page = 0; page < refillPagesMax; page++) {
        const asked = this.#state.transcript;
        if (!asked.hasMore || asked.before === undefined || asked.before <= oldestId) break;
        const query = { before: asked.before, limit: refillPageMessages };
        // oxlint-disable-next-line no-await-in-loop
        const answer = await this.#options.client.listMessages(this.chatId, query);
        const transcript = addOlder(this.#state.transcript, answer, asked);
        // Begun anew once more: another call is under way, or will be.
        if (transcript === this.#state.transcript) return;
        this.#state = { ...this.#state, transcript };
      }
    } catch {
      // They come by `loadOlder`, like any others.
    }
    this.#endHold();
  }

  async #loadOlder(): Promise<void> {
    const asked: Transcript = this.#state.transcript;
    if (!asked.hasMore || asked.before === undefined) return;
    this.#change({ loadingOlder: true });
    try {
      const query = { before: asked.before, limit: olderPageMessages };
      const page = await this.#options.client.listMessages(this.chatId, query);
      this.#change({ transcript: addOlder(this.#state.transcript, page, asked) });
    } finally {
      this.#change({ loadingOlder: false });
    }
  }

  #change(change: Partial<ChatState>): void {
    const keys = Object.keys(change) as (keyof ChatState)[];
    if (keys.every((key) => Object.is(this.#state[key], change[key]))) return;
    this.#state = { ...this.#state, ...change };
    this.#publisher.now();
  }

  #publish(): void {
    const { held } = this.#hold;
    this.#shown = held === null ? this.#state : { ...this.#state, transcript: held };
    this.#audience.notify();
  }
}
