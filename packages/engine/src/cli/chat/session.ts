import {
  StreamEndedError,
  type Client,
  type Connection,
  type Subscription,
  type Transcript,
} from "@parley/client";
import type {
  Chat,
  ChatEvent,
  Content,
  CreateChatAnswer,
  ResponseFormat,
  SendMessageAnswer,
  StoredFile,
} from "@parley/protocol";
import type { Random } from "../../lib/random.ts";
import { failureText } from "./failure.ts";
import { emptyPage, paint, type Ink, type Style } from "./ink.ts";
import { emptyScreen, show, withTyped, type Screen } from "./screen.ts";
import { follow, isBusy, isBusyStatus, isSettled, type Sent } from "./settled.ts";

export interface SessionOptions {
  client: Client;
  random: Random;
  style: Style;
  model: string | null;
  /** Asked for with every message. */
  responseFormat: ResponseFormat | null;
  out(text: string): void;
  err(text: string): void;
  /** After everything that has been shown. */
  onShown(): void;
}

/** Everything is aborted by its signal when the session closes. */
export class Session {
  readonly client: Client;
  readonly #options: SessionOptions;
  readonly #abort = new AbortController();
  #subscription: Subscription<ChatEvent> | null = null;
  #following: Promise<void> = Promise.resolve();
  #waiters: { until: () => boolean; resolve: () => void }[] = [];
  #page = emptyPage;
  #reconnecting = false;
  #sending = 0;
  #sent: Sent | null = null;
  /** A status that a call of ours has ended, and whose successor is on its way. */
  #stale: Transcript["status"] = null;
  screen: Screen = emptyScreen(0);
  chatId: string | null = null;
  /** The chat's stream has ended for good: it was deleted, say. */
  lost = false;
  model: string | null;
  /** The newest list that was shown: `/open 2` means its second line. */
  listed: readonly string[] = [];
  /** Uploaded, and to go with the next message. */
  attached: readonly StoredFile[] = [];

  constructor(options: SessionOptions) {
    this.#options = options;
    this.client = options.client;
    this.model = options.model;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get asksForJson(): boolean {
    return this.#options.responseFormat !== null;
  }

  /** The model works, or is about to for what was sent. */
  get busy(): boolean {
    const { transcript } = this.screen;
    if (this.#sending > 0) return true;
    if (this.chatId === null) return false;
    if (isBusy(transcript)) return true;
    if (this.#stale !== null && transcript.status === this.#stale) return true;
    return this.#sent !== null && !isSettled(this.#sent, transcript);
  }

  ink(...inks: Ink[]): void {
    const { page, out, err } = paint(this.#page, inks, this.#options.style);
    this.#page = page;
    if (out !== "") this.#options.out(out);
    if (err !== "") this.#options.err(err);
  }

  notice(text: string): void {
    this.ink({ kind: "notice", text });
  }

  /** Follows a chat, in place of the one that is followed now, and waits until it is on the screen. */
  async open(chatId: string, recentMax: number): Promise<void> {
    await this.leave();
    this.chatId = chatId;
    this.screen = { ...emptyScreen(recentMax), typed: this.screen.typed };
    const subscription = this.client.subscribe(chatId, {
      signal: this.signal,
      onConnection: (connection) => this.#connection(connection),
    });
    this.#subscription = subscription;
    this.#following = this.#follow(subscription);
    await this.until(() => this.screen.begun);
  }

  /** Follows no chat any more: the next message begins one. */
  async leave(): Promise<void> {
    this.#subscription?.close();
    await this.#following;
    this.#subscription = null;
    this.chatId = null;
    this.#sent = null;
    this.#stale = null;
    this.lost = false;
    this.#reconnecting = false;
    this.screen = { ...emptyScreen(0), typed: this.screen.typed };
    this.ink({ kind: "break" });
  }

  async say(text: string, when_busy: "queue" | "steer" = "queue"): Promise<void> {
    const { attached } = this;
    const content = contentOf(text, attached);
    const clientId = this.#options.random.uuid();
    const format = this.#options.responseFormat;
    const said = {
      content,
      client_id: clientId,
      ...(format === null ? {} : { response_format: format }),
    };
    this.#sending++;
    try {
      this.screen = withTyped(this.screen, clientId);
      if (this.chatId === null) {
        const model = this.model === null ? {} : { model: this.model };
        const answer = await this.client.createChat({ ...said, ...model }, this.#call());
        this.notice(`chat ${answer.chat.id}`);
        await this.open(answer.chat.id, Number.MAX_SAFE_INTEGER);
        this.#track(clientId, answer);
      } else {
        const body = { ...said, when_busy };
        this.#track(clientId, await this.client.sendMessage(this.chatId, body, this.#call()));
      }
      this.attached = this.attached.filter((file) => !attached.includes(file));
    } finally {
      this.#sending--;
    }
  }

  /** Makes a call that may set an idle chat to work: it is busy from then on. */
  async wake(call: () => Promise<Chat>): Promise<void> {
    const { status } = this.screen.transcript;
    this.#sending++;
    try {
      const chat = await call();
      if (isBusyStatus(chat.status)) this.#stale = status;
    } finally {
      this.#sending--;
    }
  }

  /** Stops the running turn, and no other. */
  async stop(hold: boolean): Promise<void> {
    if (this.chatId === null) return;
    const { status } = this.screen.transcript;
    const turn = isBusy(this.screen.transcript) ? (status?.turn_message_id ?? null) : null;
    await this.client.interrupt(
      this.chatId,
      { ...(turn === null ? {} : { turn }), ...(hold ? { hold } : {}) },
      this.#call(),
    );
  }

  /** Resolves when it holds, when the chat's stream has ended, and when the session closes. */
  async until(holds: () => boolean): Promise<void> {
    const until = () => holds() || this.chatId === null || this.signal.aborted;
    if (until()) return;
    await new Promise<void>((resolve) => this.#waiters.push({ until, resolve }));
  }

  /** Ends every call and the stream. */
  abort(): void {
    this.#abort.abort();
    this.#wake();
  }

  async close(): Promise<void> {
    this.abort();
    await this.#following;
  }

  #call() {
    return { signal: this.signal };
  }

  #track(clientId: string, answer: CreateChatAnswer | SendMessageAnswer): void {
    const message = answer.messages.find(({ client_id }) => client_id === clientId);
    const queued = "queued" in answer && answer.queued?.client_id === clientId;
    const sent = { clientId, messageId: message?.id ?? null, queued };
    this.#sent = follow(sent, this.screen.transcript);
    this.#wake();
  }

  async #follow(subscription: Subscription<ChatEvent>): Promise<void> {
    try {
      for await (const batch of subscription.batches()) {
        for (const event of batch) {
          const { screen, inks } = show(this.screen, event);
          this.screen = screen;
          if (inks.length > 0) this.ink(...inks);
        }
        const { transcript } = this.screen;
        if (this.#sent !== null) this.#sent = follow(this.#sent, transcript);
        if (transcript.desync) subscription.resync();
        this.#wake();
        this.#options.onShown();
      }
    } catch (error) {
      this.chatId = null;
      this.lost = true;
      const text =
        error instanceof StreamEndedError ? endTexts[error.reason] : failureText(error, "the chat");
      this.ink({ kind: "break" }, { kind: "error", text });
      this.#wake();
      this.#options.onShown();
    }
  }

  #connection({ phase, end }: Connection): void {
    if (phase === "waiting" && !this.#reconnecting) {
      this.#reconnecting = true;
      const planned = end?.kind === "closed";
      this.notice(planned ? "the server restarts, reconnecting…" : "reconnecting…");
    }
    if (phase === "open" && this.#reconnecting) {
      this.#reconnecting = false;
      this.notice("back");
    }
    this.#options.onShown();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = waiters.filter(({ until }) => !until());
    for (const { until, resolve } of waiters) if (until()) resolve();
  }
}

function contentOf(text: string, attached: readonly StoredFile[]): Content {
  if (attached.length === 0) return text;
  const files = attached.map(({ id }) => ({ type: "file" as const, file_id: id }));
  return [{ type: "text", text }, ...files];
}

const endTexts = {
  reconnect: "the stream ended",
  slow_consumer: "the stream ended",
  forbidden: "this chat may no longer be read",
  chat_deleted: "the chat was deleted",
  invalid_frame: "the server did not understand this client: are both of one version?",
} as const;
