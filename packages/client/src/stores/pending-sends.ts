import type { SendMessage, SendMessageAnswer } from "@parley/protocol";
import { ParleyNetworkError } from "../errors.ts";
import type { Transcript } from "../transcript.ts";
import type { Runtime, Timer } from "../runtime.ts";
import type { PendingMessage } from "./chat-state.ts";

export type OutgoingMessage = Omit<SendMessage, "client_id">;

export interface PendingSendsOptions {
  runtime: Runtime;
  post(body: SendMessage & { client_id: string }): Promise<SendMessageAnswer>;
  /** What the stream has shown so far. */
  transcript(): Transcript;
  /** The stream is followed: what arrives will be shown. */
  isFollowed(): boolean;
  changed(): void;
}

interface Send {
  shown: PendingMessage;
  readonly body: SendMessage & { client_id: string };
  /** The server has it, and the stream has not shown it yet. */
  answered: boolean;
  /** It had it before the present connection was opened. */
  beforeConnection: boolean;
  overdue: Timer | null;
}

/**
 * A message that the server has and that a live stream does not show within this was taken back meanwhile, by an edit
 * elsewhere, say. Longer than the 10 s after which a server notices what its bus has lost.
 */
const overdueMs = 15_000;

/**
 * Messages that are shown before the server has them. Each is named by its `client_id`, so that sending it again changes
 * nothing, and is forgotten as soon as the stream shows that name.
 */
export class PendingSends {
  readonly #options: PendingSendsOptions;
  #sends: readonly Send[] = [];
  /** What was compared last: while it is the same, nothing has arrived. */
  #seen: { messages: unknown; queue: unknown } | null = null;
  list: readonly PendingMessage[] = [];

  constructor(options: PendingSendsOptions) {
    this.#options = options;
  }

  /** @throws what the call throws; the message then stays, as failed. */
  async send(message: OutgoingMessage): Promise<SendMessageAnswer> {
    const client_id = this.#options.runtime.uuid();
    const { content, when_busy } = message;
    const shown: PendingMessage = { client_id, content, when_busy, state: "sending", error: null };
    const body = { ...message, client_id };
    const send: Send = { shown, body, answered: false, beforeConnection: false, overdue: null };
    this.#set([...this.#sends, send]);
    return await this.#post(send);
  }

  /** Sends a failed message again, under the same name. Does nothing where there is none. */
  async retry(clientId: string): Promise<void> {
    const send = this.#find(clientId);
    if (send?.shown.state !== "failed") return;
    this.#show(send, { state: "sending", error: null });
    await this.#post(send);
  }

  /** Gives a failed message up. */
  discard(clientId: string): void {
    this.#forget(({ shown }) => shown.client_id === clientId && shown.state === "failed");
  }

  /** Forgets what the transcript shows. */
  reconcile(): void {
    if (this.#sends.length === 0) return;
    const { messages, queue } = this.#options.transcript();
    if (this.#seen?.messages === messages && this.#seen.queue === queue) return;
    this.#seen = { messages, queue };
    this.#forget(({ body }) => isShown(this.#options.transcript(), body.client_id));
  }

  /** A connection is about to be opened. */
  connecting(): void {
    for (const send of this.#sends) send.beforeConnection = send.answered;
  }

  /** The connection has shown all that there was when it was opened. What it left out was taken back. */
  caughtUp(): void {
    this.#forget((send) => send.beforeConnection);
  }

  /** The stream is not followed any more: nothing would be shown. */
  unfollowed(): void {
    this.#forget((send) => send.answered);
  }

  async #post(send: Send): Promise<SendMessageAnswer> {
    const { client_id } = send.body;
    try {
      const answer = await this.#options.post(send.body);
      this.#answered(send);
      return answer;
    } catch (error) {
      const shown = this.#shownAnswer(client_id);
      // Only the answer was lost: the stream has shown that the message is there.
      if (error instanceof ParleyNetworkError && shown !== null) return shown;
      if (this.#sends.includes(send)) {
        const failure = error instanceof Error ? error : new Error(String(error));
        this.#show(send, { state: "failed", error: failure });
      }
      throw error;
    }
  }

  #answered(send: Send): void {
    if (!this.#sends.includes(send)) return;
    if (!this.#options.isFollowed()) return this.#forget((one) => one === send);
    send.answered = true;
    send.overdue = this.#options.runtime.timer(overdueMs, "pending overdue", () =>
      this.#forget((one) => one === send),
    );
  }

  #shownAnswer(clientId: string): SendMessageAnswer | null {
    const { chat, messages, queue } = this.#options.transcript();
    const own = messages.filter((message) => message.client_id === clientId);
    const queued = queue.find((one) => one.client_id === clientId) ?? null;
    if (chat === null || (own.length === 0 && queued === null)) return null;
    return { chat, messages: own, queued };
  }

  #find(clientId: string): Send | undefined {
    return this.#sends.find(({ body }) => body.client_id === clientId);
  }

  #show(send: Send, change: Partial<PendingMessage>): void {
    send.shown = { ...send.shown, ...change };
    this.#set(this.#sends);
  }

  /** All at once: whoever looks between two would see a message twice. */
  #forget(isOver: (send: Send) => boolean): void {
    const over = this.#sends.filter(isOver);
    if (over.length === 0) return;
    for (const { overdue } of over) overdue?.cancel();
    this.#set(this.#sends.filter((send) => !over.includes(send)));
  }

  #set(sends: readonly Send[]): void {
    this.#sends = sends;
    this.#seen = null;
    this.list = sends.map(({ shown }) => shown);
    this.#options.changed();
  }
}

function isShown({ messages, queue }: Transcript, clientId: string): boolean {
  return (
    queue.some((one) => one.client_id === clientId) ||
    messages.findLastIndex((one) => one.client_id === clientId) !== -1
  );
}
