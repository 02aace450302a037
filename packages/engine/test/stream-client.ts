import { get, type IncomingMessage } from "node:http";
import { WebSocket } from "ws";

/** What a stream delivered, over either transport. */
export interface StreamEvent {
  type: string;
  cursor?: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into data of every shape
  data: any;
}

export interface StreamClient {
  readonly events: StreamEvent[];
  /** Signs of life that carry nothing: pings, empty frames, comments. */
  readonly beats: string[];
  /** Waits until `found` is true of the events. */
  until(found: (events: readonly StreamEvent[]) => boolean): Promise<void>;
  /** Waits for an event of this type. */
  has(type: string, count?: number): Promise<void>;
  /** Waits for a sign of life. */
  beat(what: string, count?: number): Promise<void>;
  /** How the server ended it: the close code, or the code of the last SSE event. */
  readonly ended: Promise<number | string>;
  close(): void;
}

/** The answer of a server that did not open a stream. */
export class Refused extends Error {
  readonly status: number;
  readonly contentType: string | undefined;
  // oxlint-disable-next-line typescript/no-explicit-any -- a problem document
  readonly body: any;

  constructor(status: number, contentType: string | undefined, text: string) {
    super(`refused with ${status}: ${text}`);
    this.status = status;
    this.contentType = contentType;
    this.body = /json/.test(contentType ?? "") ? JSON.parse(text) : text;
  }
}

export type Headers = Record<string, string>;

class Received {
  readonly events: StreamEvent[] = [];
  readonly beats: string[] = [];
  readonly #waiting = new Set<() => void>();

  add(...events: StreamEvent[]): void {
    this.events.push(...events);
    this.#tell();
  }

  beatOf(what: string): void {
    this.beats.push(what);
    this.#tell();
  }

  async until(found: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (!found()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  #tell(): void {
    for (const look of this.#waiting) look();
  }
}

function clientOf(
  received: Received,
  ended: Promise<number | string>,
  close: () => void,
): StreamClient {
  const { events, beats } = received;
  return {
    events,
    beats,
    ended,
    close,
    until: (found) => received.until(() => found(events)),
    has: (type, count = 1) =>
      received.until(() => events.filter((event) => event.type === type).length >= count),
    beat: (what, count = 1) =>
      received.until(() => beats.filter((beat) => beat === what).length >= count),
  };
}

export async function openWebSocket(url: string, headers: Headers = {}): Promise<StreamClient> {
  const socket = new WebSocket(url.replace(/^http/, "ws"), { headers });
  const received = new Received();
  const ended = new Promise<number>((resolve) => void socket.on("close", resolve));
  socket.on("ping", () => received.beatOf("ping"));
  socket.on("message", (data: Buffer) => {
    const frame = JSON.parse(data.toString("utf8")) as StreamEvent[];
    if (frame.length === 0) received.beatOf("[]");
    received.add(...frame);
  });
  await new Promise<void>((resolve, reject) => {
    socket.on("open", () => resolve());
    socket.on("error", reject);
    socket.on("unexpected-response", (_request, response) => void refuse(response, reject));
  });
  return Object.assign(
    clientOf(received, ended, () => socket.terminate()),
    { socket },
  );
}

export async function openEvents(url: string, headers: Headers = {}): Promise<StreamClient> {
  const received = new Received();
  const { promise: ended, resolve: end } = Promise.withResolvers<string>();
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { headers, agent: false }, resolve).on("error", reject);
  });
  if (response.statusCode !== 200) {
    await new Promise<void>((_resolve, reject) => void refuse(response, reject));
  }
  let text = "";
  let code = "cut off";
  response.on("data", (chunk: Buffer) => {
    text += chunk.toString("utf8");
    for (let at = text.indexOf("\n\n"); at !== -1; at = text.indexOf("\n\n")) {
      const block = text.slice(0, at);
      text = text.slice(at + 2);
      if (block.startsWith(":")) received.beatOf("comment");
      else {
        const event = parse(block);
        if (event.type === "close") code = (event.data as { code: string }).code;
        else received.add(event);
      }
    }
  });
  response.on("close", () => end(code));
  response.on("error", () => end(code));
  return clientOf(received, ended, () => response.destroy());
}

function parse(block: string): StreamEvent {
  const fields = new Map(
    block.split("\n").map((line) => {
      const at = line.indexOf(": ");
      return [line.slice(0, at), line.slice(at + 2)] as const;
    }),
  );
  const cursor = fields.get("id");
  return {
    type: fields.get("event") ?? "message",
    ...(cursor === undefined ? {} : { cursor }),
    data: JSON.parse(fields.get("data") ?? "null"),
  };
}

async function refuse(response: IncomingMessage, reject: (error: Error) => void): Promise<void> {
  let text = "";
  for await (const chunk of response) text += String(chunk);
  reject(new Refused(response.statusCode ?? 0, response.headers["content-type"], text));
}
