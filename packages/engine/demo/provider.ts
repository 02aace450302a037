import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { replyTo, type Reply, type Stage, type WireRequest } from "./model.ts";

export interface ProviderOptions {
  /** Between two words. */
  readonly wordMs: number;
  /** Before the first. */
  readonly thinkMs: number;
  /** Waited for before a reply of this stage begins: so that others have time to do something. */
  readonly before: (stage: Stage) => Promise<void>;
}

export interface Provider {
  readonly baseUrl: string;
  close(): Promise<void>;
}

/** A provider on loopback that speaks OpenAI's Chat Completions, at the pace of one who reads along. */
export async function startProvider(options: ProviderOptions): Promise<Provider> {
  const closing = new AbortController();
  const server = createServer((request, response) => {
    answer(request, response, options, closing.signal).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    async close() {
      closing.abort();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { wordMs, thinkMs, before }: ProviderOptions,
  signal: AbortSignal,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { stage, reply } = replyTo(JSON.parse(Buffer.concat(chunks).toString()) as WireRequest);
  await before(stage);
  await sleep(thinkMs, undefined, { signal });
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const event of eventsOf(reply)) {
    response.write(`data: ${JSON.stringify(event)}\n\n`);
    // Words come one after the other.
    // oxlint-disable-next-line no-await-in-loop
    await sleep(wordMs, undefined, { signal });
  }
  response.end("data: [DONE]\n\n");
}

function* eventsOf({ text, calls }: Reply): Generator<object> {
  const chunk = (delta: object, finish_reason: string | null = null): object => ({
    id: "demo",
    object: "chat.completion.chunk",
    created: 0,
    model: "scripted",
    choices: [{ index: 0, delta, finish_reason }],
  });
  for (const content of text.split(/(?<=\s)/)) yield chunk({ content });
  for (const [index, { name, input }] of calls.entries()) {
    const id = `call_${index}`;
    const call = { index, id, type: "function", function: { name, arguments: "" } };
    yield chunk({ tool_calls: [call] });
    for (const piece of JSON.stringify(input).match(/.{1,24}/gs) ?? []) {
      yield chunk({ tool_calls: [{ index, function: { arguments: piece } }] });
    }
  }
  yield chunk({}, calls.length > 0 ? "tool_calls" : "stop");
}
