import http from "node:http";
import type { AddressInfo } from "node:net";
import { textScript } from "./provider-scripts.ts";

export { gate, recordingScript, replyScript, textScript } from "./provider-scripts.ts";
export type { Gate, ScriptedReply } from "./provider-scripts.ts";

export type Protocol = "openai-chat" | "openai-responses" | "anthropic" | "google";

/** What the server does next with a response. */
export type Step =
  /** One server-sent event; what is no string goes as JSON. */
  | { data: unknown; event?: string }
  /** These bytes, as they are. */
  | { raw: string | Uint8Array }
  /** Waits until the test lets it go on. */
  | { gate: Promise<unknown> }
  /** A whole answer that is no stream (first step only). */
  | { status: number; headers?: Record<string, string>; body?: unknown }
  /** Says nothing more, and keeps the connection until the client leaves. */
  | { hang: true }
  /** Breaks the connection. */
  | { drop: true };

export type Script = readonly Step[];
export type Responder = (request: RecordedRequest) => Script;

export interface RecordedRequest {
  protocol: Protocol;
  path: string;
  headers: http.IncomingHttpHeaders;
  /** The parsed JSON body. */
  body: Record<string, unknown>;
  /** Once the response is over: whether it was sent whole, or the client left before. */
  ended: Promise<"sent" | "client_left">;
}

export interface ProviderServer {
  /** All requests so far, oldest first. */
  readonly requests: readonly RecordedRequest[];
  readonly port: number;
  /** What a provider's base URL is configured to. */
  baseURL: (protocol: Protocol) => string;
  /** The answer to the next request of this protocol that has none yet; several queue up. */
  enqueue: (protocol: Protocol, script: Script | Responder) => void;
  /** Resolves with the request number `index` (from 0), once it has come. */
  request: (index: number) => Promise<RecordedRequest>;
  close: () => Promise<void>;
}

export interface ProviderServerOptions {
  /** Answers requests that nothing was enqueued for. Default: a short text. */
  openaiChat?: Responder;
  openaiResponses?: Responder;
  anthropic?: Responder;
  google?: Responder;
}

/**
 * A real HTTP server on loopback that speaks the providers' wire protocols from scripts. It never sleeps: what shall take
 * time waits at a gate that the test opens.
 */
export async function startProviderServer(
  options: ProviderServerOptions = {},
  host = "127.0.0.1",
): Promise<ProviderServer> {
  const requests: RecordedRequest[] = [];
  const waiting: { index: number; resolve: (request: RecordedRequest) => void }[] = [];
  const queues = new Map<Protocol, (Script | Responder)[]>();
  const closing = Promise.withResolvers<void>();
  const defaults: Record<Protocol, Responder | undefined> = {
    "openai-chat": options.openaiChat,
    "openai-responses": options.openaiResponses,
    anthropic: options.anthropic,
    google: options.google,
  };

  const server = http.createServer((incoming, response) => {
    void serve(incoming, response).catch(() => response.destroy());
  });

  async function serve(
    incoming: http.IncomingMessage,
    response: http.ServerResponse,
  ): Promise<void> {
    const protocol = protocolOf(incoming.url ?? "");
    const text = await bodyOf(incoming);
    if (protocol === null) {
      response.writeHead(404, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: { message: `no such path: ${incoming.url}` } }));
      return;
    }
    const ended = Promise.withResolvers<"sent" | "client_left">();
    response.on("close", () => ended.resolve(response.writableFinished ? "sent" : "client_left"));
    const request: RecordedRequest = {
      protocol,
      path: incoming.url ?? "",
      headers: incoming.headers,
      body: JSON.parse(text === "" ? "{}" : text) as Record<string, unknown>,
      ended: ended.promise,
    };
    const given = queues.get(protocol)?.shift() ?? defaults[protocol] ?? defaultReply;
    const index = requests.push(request) - 1;
    for (const waiter of waiting) if (waiter.index === index) waiter.resolve(request);
    const left = Promise.race([
      closing.promise,
      new Promise((resolve) => response.on("close", resolve)),
    ]);
    await play(typeof given === "function" ? given(request) : given, response, left);
  }

  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    requests,
    port,
    baseURL: (protocol) => `http://${host}:${port}/${protocol === "google" ? "v1beta" : "v1"}`,
    enqueue(protocol, script) {
      queues.set(protocol, [...(queues.get(protocol) ?? []), script]);
    },
    request(index) {
      const found = requests[index];
      if (found !== undefined) return Promise.resolve(found);
      return new Promise((resolve) => waiting.push({ index, resolve }));
    },
    async close() {
      closing.resolve();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function defaultReply({ protocol }: RecordedRequest): Script {
  return textScript(protocol, ["Hello ", "from the ", "scripted provider."]);
}

async function play(
  script: Script,
  response: http.ServerResponse,
  left: Promise<unknown>,
): Promise<void> {
  for (const step of script) {
    if (response.destroyed) return;
    // Steps are a sequence.
    // oxlint-disable-next-line no-await-in-loop
    const goesOn = await playStep(step, response, left);
    if (!goesOn) return;
  }
  startStream(response);
  response.end();
}

async function playStep(
  step: Step,
  response: http.ServerResponse,
  left: Promise<unknown>,
): Promise<boolean> {
  if ("status" in step) {
    const { status, headers = {}, body = "" } = step;
    const isText = typeof body === "string" || body instanceof Uint8Array;
    response.writeHead(status, {
      "content-type": isText ? "text/html" : "application/json",
      ...headers,
    });
    response.end(isText ? body : JSON.stringify(body));
    return false;
  }
  if ("drop" in step) {
    response.destroy();
    return false;
  }
  startStream(response);
  if ("hang" in step) {
    await left;
    return false;
  }
  if ("gate" in step) {
    await Promise.race([step.gate, left]);
  } else if ("raw" in step) {
    response.write(step.raw);
  } else {
    const data = typeof step.data === "string" ? step.data : JSON.stringify(step.data);
    response.write(`${step.event === undefined ? "" : `event: ${step.event}\n`}data: ${data}\n\n`);
  }
  return true;
}

function startStream(response: http.ServerResponse): void {
  if (response.headersSent) return;
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
  response.flushHeaders();
}

function protocolOf(url: string): Protocol | null {
  const path = url.split("?")[0] ?? "";
  if (path.endsWith("/chat/completions")) return "openai-chat";
  if (path.endsWith("/responses")) return "openai-responses";
  if (path.endsWith("/messages")) return "anthropic";
  return path.endsWith(":streamGenerateContent") ? "google" : null;
}

async function bodyOf(incoming: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
