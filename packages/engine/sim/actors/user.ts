import { ParleyApiError, ParleyNetworkError, type Client } from "@parley/client";
import type { Rng } from "../rng.ts";
import { contentOf, type Act, type OwnFile, type Told } from "./acts/act.ts";
import { budgetActs, budgetWeights } from "./acts/budgets.ts";
import { contraryActs, contraryWeights } from "./acts/contrary.ts";
import { decisionActs, decisionWeights } from "./acts/decisions.ts";
import { fileActs, fileWeights } from "./acts/files.ts";
import { formActs, formWeights } from "./acts/forms.ts";
import { listActs, listWeights } from "./acts/lists.ts";
import { turnActs, turnWeights } from "./acts/turns.ts";
import type { Device } from "./device.ts";
import { clientTools } from "./tools.ts";
import { Watcher, type WatcherListener } from "./watcher.ts";

/** What users do, by how often. */
export const actionWeights = {
  create: 8,
  send: 26,
  steer: 6,
  send_interrupt: 6,
  send_reject: 3,
  open_view: 10,
  close_view: 5,
  nap: 4,
  replay: 3,
  ...turnWeights,
  ...decisionWeights,
  ...listWeights,
  ...fileWeights,
  ...formWeights,
  ...budgetWeights,
  ...contraryWeights,
} as const;

/** What needs nothing but a chat, the person and chance. */
const acts = {
  ...turnActs,
  ...decisionActs,
  ...listActs,
  ...fileActs,
  ...formActs,
  ...budgetActs,
  ...contraryActs,
} satisfies Partial<Record<Action, Act>>;

export type Action = keyof typeof actionWeights;

/** What a checker hears of what users did. */
export interface UserListener extends WatcherListener, Told {
  onAction(user: User, action: Action, chatId: string | null, outcome: string): void;
  /** A call failed in a way that no user should see. */
  onUnexpected(user: User, action: Action, error: unknown): void;
}

export interface UserOptions {
  readonly name: string;
  readonly ownerId: string;
  readonly device: Device;
  /** Another device of the same person. */
  readonly other: Device;
  readonly rng: Rng;
  readonly weights: Readonly<Record<Action, number>>;
  readonly thinkMs: number;
  readonly chatsMax: number;
  readonly listener: UserListener;
}

/** Views of one chat that a user has open at most. */
const viewsMax = 3;

/** A person with a device, some chats and little patience. */
export class User {
  readonly name: string;
  readonly chats: string[] = [];
  readonly watchers: Watcher[] = [];
  readonly device: Device;
  readonly #options: UserOptions;
  readonly #stop = new AbortController();
  #said = 0;
  #views = 0;
  /** Calls that were made before, to be made again as they were. */
  readonly #past: (() => Promise<unknown>)[] = [];
  readonly #files: OwnFile[] = [];

  constructor(options: UserOptions) {
    this.name = options.name;
    this.device = options.device;
    this.#options = options;
  }

  start(): void {
    this.device.process.deliver(() => void this.#live());
  }

  /** Does nothing new any more; what it looks at stays open. */
  rest(): void {
    this.#stop.abort();
  }

  async #live(): Promise<void> {
    const { rng, weights, thinkMs } = this.#options;
    const { clock } = this.device.process;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const { action, chatId } = this.#asked() ?? {
        action: this.chats.length === 0 ? "create" : rng.weighted(weights),
        chatId: this.chats.length === 0 ? null : rng.pick(this.chats),
      };
      // Not waited for, sometimes: people press twice.
      const doing = this.#do(action, chatId, rng.fork(`${action} ${this.#said}`));
      // oxlint-disable-next-line no-await-in-loop
      if (rng.chance(0.6)) await Promise.race([doing, clock.sleep(5_000, "patience", signal)]);
      // oxlint-disable-next-line no-await-in-loop
      await clock.sleep(rng.exponential(thinkMs), "think", signal);
    }
  }

  /** Whoever is asked for something often answers before anything else. */
  #asked(): { action: Action; chatId: string } | null {
    const { rng, weights } = this.#options;
    const asking = this.watchers.filter(
      ({ open, transcript }) => open && (transcript.actions?.actions.length ?? 0) > 0,
    );
    if (asking.length === 0 || !rng.chance(0.5)) return null;
    const answers = Object.keys(decisionWeights) as (keyof typeof decisionWeights)[];
    const some = Object.fromEntries(answers.map((name) => [name, weights[name]]));
    if (Object.values(some).every((weight) => weight === 0)) return null;
    return { action: rng.weighted(some) as Action, chatId: rng.pick(asking).chatId };
  }

  async #do(action: Action, chatId: string | null, rng: Rng): Promise<void> {
    const { listener } = this.#options;
    try {
      const outcome = await this.#perform(action, chatId, rng);
      if (outcome !== null) listener.onAction(this, action, chatId, outcome);
    } catch (error) {
      this.#failed(action, chatId, error);
    }
  }

  #failed(action: Action, chatId: string | null, error: unknown): void {
    const { listener } = this.#options;
    if (error instanceof ParleyNetworkError) {
      listener.onAction(this, action, chatId, "no answer");
    } else if (error instanceof ParleyApiError && !unexpected.has(error.code)) {
      listener.onAction(this, action, chatId, error.code);
      if (error.code === "chat_not_found" && chatId !== null) this.#forget(chatId);
    } else listener.onUnexpected(this, action, error);
  }

  /** Null: there was nothing to do it with. */
  async #perform(action: Action, chatId: string | null, rng: Rng): Promise<string | null> {
    const { client } = this.device;
    if (action === "create") return await this.#create(client, rng);
    if (chatId === null) return null;
    const view = this.#viewOf(chatId);
    switch (action) {
      case "send":
      case "steer":
      case "send_interrupt":
      case "send_reject":
        return await this.#send(client, chatId, manners[action], rng);
      case "open_view":
        this.look(chatId, rng);
        return null;
      case "close_view":
        if (view) this.#leave(view, rng);
        return null;
      case "nap":
        if (view) view.sleepy = !view.sleepy;
        return null;
      case "replay":
        if (this.#past.length === 0) return null;
        await rng.pick(this.#past)();
        return "repeated";
      default:
        return await acts[action]({
          client,
          device: this.device,
          other: this.#options.other,
          ownerId: this.#options.ownerId,
          chatId,
          seen: view?.transcript,
          rng,
          files: this.#files,
          told: this.#options.listener,
          failed: (error) => this.#failed(action, chatId, error),
          next: () => this.#next(),
        });
    }
  }

  #next(): string {
    return `${this.name}-${++this.#said}`;
  }

  async #create(client: Client, rng: Rng): Promise<string | null> {
    if (this.chats.length >= this.#options.chatsMax) return null;
    const client_id = this.#next();
    const model = rng.chance(0.25) ? "sim/small" : "sim/large";
    const body = { content: contentOf(client_id, rng), client_id, model };
    const tools = rng.chance(0.6) ? { client_tools: [...clientTools] } : {};
    const make = async (): Promise<unknown> => await client.createChat({ ...body, ...tools });
    this.#past.push(make);
    const { chat } = await client.createChat({ ...body, ...tools });
    if (!this.chats.includes(chat.id)) this.chats.push(chat.id);
    if (rng.chance(0.9)) this.look(chat.id, rng);
    return `made ${chat.id}`;
  }

  async #send(
    client: Client,
    chatId: string,
    when_busy: "queue" | "steer" | "interrupt" | "reject",
    rng: Rng,
  ): Promise<string> {
    const client_id = this.#next();
    const body = { content: contentOf(client_id, rng), when_busy, client_id };
    this.#past.push(async () => await client.sendMessage(chatId, body));
    const { queued, messages } = await client.sendMessage(chatId, body);
    this.#options.listener.acknowledged(client_id);
    return queued === null ? `${client_id} entered with ${messages.length}` : `${client_id} queued`;
  }

  /** Opens one more view of the chat, or a closed one again. */
  look(chatId: string, rng: Rng): void {
    // A call that was answered late opens nothing once everybody has left.
    if (this.#stop.signal.aborted) return;
    const views = this.watchers.filter((view) => view.chatId === chatId);
    const closed = views.filter(({ open, ended }) => !open && ended === null);
    if (closed.length > 0) {
      rng.pick(closed).start(rng.pick(["newest", "newest", "older", "nothing"] as const));
      return;
    }
    if (views.length >= viewsMax) return;
    const name = `${this.name}/view${++this.#views}`;
    const { listener } = this.#options;
    const view = new Watcher(name, chatId, this.device, listener, rng.fork("places"));
    this.watchers.push(view);
    view.start();
  }

  #leave(view: Watcher, rng: Rng): void {
    if (rng.chance(0.7)) view.close();
    // The lid is shut: the server is not told.
    else this.device.connections.at(-1)?.stall(rng.chance(0.7));
  }

  #viewOf(chatId: string): Watcher | undefined {
    return this.watchers.findLast((view) => view.chatId === chatId && view.transcript.ready);
  }

  #forget(chatId: string): void {
    const at = this.chats.indexOf(chatId);
    if (at >= 0) this.chats.splice(at, 1);
  }
}

const manners = {
  send: "queue",
  steer: "steer",
  send_interrupt: "interrupt",
  send_reject: "reject",
} as const;

/** Codes that say that something in the server is not as it should be. */
const unexpected: ReadonlySet<string> = new Set([
  "internal",
  "invalid_state",
  "unexpected_answer",
  "unauthorized",
  "forbidden",
  "malformed_json",
  "invalid_request",
  "invalid_cursor",
  "method_not_allowed",
  "not_found",
  "not_acceptable",
  "unsupported_media_type",
  "unknown_model",
]);
