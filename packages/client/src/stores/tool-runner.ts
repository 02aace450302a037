import type { Json, PendingAction } from "@parley/protocol";
import type { Client } from "../client.ts";
import { ParleyApiError } from "../errors.ts";
import { sleep } from "../runtime.ts";

export interface ClientToolContext {
  readonly tool_call_id: string;
  /** Aborted when the chat does not wait for the result any more: stopped, expired, answered elsewhere. */
  readonly signal: AbortSignal;
}

/** Runs one call. What it gives must be JSON; `undefined` is sent as null. */
export type ClientToolHandler = (input: unknown, context: ClientToolContext) => unknown;

export type ClientToolHandlers = Readonly<Record<string, ClientToolHandler>>;

export interface ToolRunnerOptions {
  client: Client;
  chatId: string;
  /** What the chat waits for now. */
  actions(): readonly PendingAction[];
}

/** A result whose submission failed is submitted again after this, doubled each time, while the chat waits for it. */
const submitAgainMsMin = 1_000;
const submitAgainMsMax = 60_000;

/** Another page learns from its own stream that a call has been answered, which may take this much longer than here. */
const otherPagesLagMs = 2_000;

/** Runs the calls that a chat waits for, each once, however many components offer the same tool. */
export class ToolRunner {
  readonly #options: ToolRunnerOptions;
  readonly #offers = new Set<() => ClientToolHandlers>();
  readonly #running = new Map<string, AbortController>();
  /** Answered from here: what the stream says of them until it has caught up is old. */
  readonly #answered = new Set<string>();

  constructor(options: ToolRunnerOptions) {
    this.#options = options;
  }

  /** The handlers of the moment are asked for when a call comes. */
  offer(handlers: () => ClientToolHandlers): () => void {
    this.#offers.add(handlers);
    this.look();
    return () => void this.#offers.delete(handlers);
  }

  /** Starts what has come, and aborts what is not waited for any more. */
  look(): void {
    const actions = this.#options.actions();
    const wanted = new Set(actions.map(({ tool_call_id }) => tool_call_id));
    for (const [id, abort] of this.#running) if (!wanted.has(id)) abort.abort();
    for (const id of this.#answered) if (!wanted.has(id)) this.#answered.delete(id);
    for (const action of actions) {
      const id = action.tool_call_id;
      if (action.kind !== "client_tool" || this.#running.has(id) || this.#answered.has(id))
        continue;
      const handler = this.#handlerOf(action.tool_name);
      if (handler !== undefined) void this.#run(action, handler);
    }
  }

  stop(): void {
    for (const abort of this.#running.values()) abort.abort();
  }

  #handlerOf(name: string): ClientToolHandler | undefined {
    for (const offer of this.#offers) {
      const handlers = offer();
      if (Object.hasOwn(handlers, name)) return handlers[name];
    }
    return undefined;
  }

  /** Never rejects. */
  async #run(action: PendingAction, handler: ClientToolHandler): Promise<void> {
    const { client, chatId } = this.#options;
    const { runtime } = client;
    const { tool_call_id } = action;
    const abort = new AbortController();
    const { signal } = abort;
    this.#running.set(tool_call_id, abort);
    const answer = async () => await this.#submit(await resultOf(handler, action, signal), signal);
    if (runtime.exclusive === undefined) await answer();
    else {
      const name = `parley tool ${chatId} ${tool_call_id}`;
      await runtime.exclusive(name, signal, async () => {
        await answer();
        await aborted(signal);
        await sleep(runtime, otherPagesLagMs, "tool lag", undefined);
      });
    }
    if (!signal.aborted) this.#answered.add(tool_call_id);
    this.#running.delete(tool_call_id);
    // Stopped because nobody followed the chat, and followed again meanwhile: it is still waited for.
    if (signal.aborted) this.look();
  }

  async #submit(result: ToolResult, signal: AbortSignal): Promise<void> {
    const { client, chatId } = this.#options;
    let submitted = result;
    for (let pauseMs = submitAgainMsMin; !signal.aborted;) {
      try {
        // oxlint-disable-next-line no-await-in-loop
        await client.submitToolResults(chatId, [submitted], { signal });
        return;
      } catch (error) {
        const status = error instanceof ParleyApiError ? error.status : 0;
        // Answered elsewhere, stopped, gone: the first result has won.
        if (status === 404 || status === 409) return;
        if ((status === 400 || status === 413) && submitted === result) {
          // What cannot be sent as it is must not keep the model waiting.
          const detail = (error as ParleyApiError).detail;
          submitted = failed(result.tool_call_id, `the result was refused: ${detail}`);
          continue;
        }
        // oxlint-disable-next-line no-await-in-loop
        await sleep(client.runtime, pauseMs, "tool result again", signal);
        pauseMs = Math.min(submitAgainMsMax, pauseMs * 2);
      }
    }
  }
}

interface ToolResult {
  tool_call_id: string;
  output: Json;
  is_error?: boolean;
}

async function resultOf(
  handler: ClientToolHandler,
  { tool_call_id, input }: PendingAction,
  signal: AbortSignal,
): Promise<ToolResult> {
  try {
    const output = await handler(input, { tool_call_id, signal });
    return { tool_call_id, output: jsonOf(output) };
  } catch (error) {
    return failed(tool_call_id, error instanceof Error ? error.message : String(error));
  }
}

function failed(tool_call_id: string, error: string): ToolResult {
  return { tool_call_id, output: { error }, is_error: true };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true }),
  );
}

/** As the server will read it. @throws TypeError where it is no JSON. */
function jsonOf(value: unknown): Json {
  return JSON.parse(JSON.stringify(value ?? null)) as Json;
}
