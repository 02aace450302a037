import { ParleyApiError, ParleyNetworkError, type Client, type Transcript } from "@parley/client";
import type { Rng } from "../rng.ts";
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
  edit: 5,
  edit_queued: 4,
  move_queued: 3,
  promote: 3,
  delete_queued: 3,
  interrupt: 8,
  hold: 2,
  retry: 6,
  archive: 3,
  patch: 3,
  fork: 2,
  compact: 3,
  clear: 2,
  approve: 12,
  answer: 12,
  delete: 1,
  read: 4,
  open_view: 10,
  close_view: 5,
  nap: 4,
  replay: 3,
} as const;

export type Action = keyof typeof actionWeights;

/** What a checker hears of what users did. */
export interface UserListener extends WatcherListener {
  onAction(user: User, action: Action, chatId: string | null, outcome: string): void;
  /** A call failed in a way that no user should see. */
  onUnexpected(user: User, action: Action, error: unknown): void;
}

export interface UserOptions {
  readonly name: string;
  readonly device: Device;
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
      const action = this.chats.length === 0 ? "create" : rng.weighted(weights);
      const chatId = this.chats.length === 0 ? null : rng.pick(this.chats);
      // Not waited for, sometimes: people press twice.
      const doing = this.#do(action, chatId, rng.fork(`${action} ${this.#said}`));
      // oxlint-disable-next-line no-await-in-loop
      if (rng.chance(0.6)) await Promise.race([doing, clock.sleep(5_000, "patience", signal)]);
      // oxlint-disable-next-line no-await-in-loop
      await clock.sleep(rng.exponential(thinkMs), "think", signal);
    }
  }

  async #do(action: Action, chatId: string | null, rng: Rng): Promise<void> {
    const { listener } = this.#options;
    try {
      const outcome = await this.#perform(action, chatId, rng);
      if (outcome !== null) listener.onAction(this, action, chatId, outcome);
    } catch (error) {
      if (error instanceof ParleyNetworkError) {
        listener.onAction(this, action, chatId, "no answer");
      } else if (error instanceof ParleyApiError && !unexpected.has(error.code)) {
        listener.onAction(this, action, chatId, error.code);
        if (error.code === "chat_not_found" && chatId !== null) this.#forget(chatId);
      } else listener.onUnexpected(this, action, error);
    }
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
        return await act(action, client, chatId, view, rng, () => this.#next());
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
    return queued === null ? `${client_id} entered with ${messages.length}` : `${client_id} queued`;
  }

  /** Opens one more view of the chat, or a closed one again. */
  look(chatId: string, rng: Rng): void {
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

function contentOf(id: string, rng: Rng): string {
  return rng.chance(0.05) ? `${id} ${"long ".repeat(rng.int(100, 2_000))}` : `${id} says`;
}

async function act(
  action: Action,
  client: Client,
  chatId: string,
  view: Watcher | undefined,
  rng: Rng,
  nextId: () => string,
): Promise<string | null> {
  const seen = view?.transcript;
  const queued = seen && seen.queue.length > 0 ? rng.pick(seen.queue) : undefined;
  const content = contentOf(nextId(), rng);
  switch (action) {
    case "edit": {
      const own = seen?.messages.filter(({ role }) => role === "user") ?? [];
      if (own.length === 0) return null;
      const body = { content, client_id: nextId(), keep_queue: rng.chance(0.5) };
      await client.editMessage(chatId, rng.pick(own).id, body);
      return "edited";
    }
    case "edit_queued":
      if (queued === undefined) return null;
      await client.editQueued(chatId, queued.id, { content });
      return "edited in the queue";
    case "move_queued":
      if (queued === undefined) return null;
      await client.editQueued(chatId, queued.id, {
        position: rng.int(0, 3),
        ...(rng.chance(0.5) ? { when_busy: rng.pick(["queue", "steer"] as const) } : {}),
      });
      return "moved";
    case "promote":
      if (queued === undefined) return null;
      await client.promoteQueued(chatId, queued.id);
      return "promoted";
    case "delete_queued":
      if (queued === undefined) return null;
      await client.deleteQueued(chatId, queued.id);
      return `deleted ${queued.id}`;
    case "interrupt":
      return (await client.interrupt(chatId, { wait: rng.chance(0.3) })).pending ? "later" : "done";
    case "hold":
      return (await client.interrupt(chatId, { hold: true })).pending ? "later" : "done";
    case "retry":
      return (await client.retry(chatId)).status;
    case "archive":
      return String((await client.patchChat(chatId, { archived: rng.chance(0.4) })).archived);
    case "patch":
      return String((await client.patchChat(chatId, { title: `title ${rng.int(0, 99)}` })).title);
    case "fork":
      return (await client.forkChat(chatId)).id;
    case "compact":
      return (await client.compact(chatId)).status;
    case "clear":
      return String((await client.clear(chatId)).messages.length);
    case "approve": {
      const call = pickCall(seen?.actions, "approval", rng);
      if (call === null) return null;
      const decision = rng.chance(0.75) ? "approve" : "deny";
      await client.decideApprovals(chatId, [{ tool_call_id: call, decision }]);
      return decision;
    }
    case "answer": {
      const call = pickCall(seen?.actions, "client_tool", rng);
      if (call === null) return null;
      await client.submitToolResults(chatId, [
        { tool_call_id: call, output: { n: rng.int(0, 9) } },
      ]);
      return "answered";
    }
    case "delete":
      await client.deleteChat(chatId);
      return "deleted";
    case "read":
      return String((await client.listMessages(chatId)).messages.length);
    default:
      return null;
  }
}

function pickCall(
  actions: Transcript["actions"] | undefined,
  kind: "approval" | "client_tool",
  rng: Rng,
): string | null {
  const calls = actions?.actions.filter((action) => action.kind === kind) ?? [];
  return calls.length === 0 ? null : rng.pick(calls).tool_call_id;
}
