import type http from "node:http";
import type { Readable } from "node:stream";
import zlib from "node:zlib";
import type { Clock } from "../../lib/clock.ts";
import { NotAStream } from "./failure.ts";
import type { HttpCall } from "./http-fetch.ts";

/** An error's body, or an answer that is no stream: what is longer is cut. */
const bodyCharsMax = 256 * 1024;

/** How long a connection whose reply has ended may take to end its response before it is thrown away. */
const drainMs = 1_000;

/** Pieces that wait for the package before the provider is told to wait. */
const waitingMax = 64;

/**
 * What a provider answers, as the stream that its package reads: there before the answer is. What comes is looked at until
 * it is known to be a stream of events; from then on it passes the call's filter.
 */
export class ProviderEvents {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #call: HttpCall;
  readonly #clock: Pick<Clock, "timer">;
  readonly #encoder = new TextEncoder();
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #response: http.IncomingMessage | null = null;
  #body: Readable | null = null;
  /** What came before it was known what it is, or all of an answer that is no stream. */
  #head = "";
  #kind: "unknown" | "events" | "text" = "unknown";
  #isOpen = true;

  constructor(call: HttpCall, clock: Pick<Clock, "timer">) {
    this.#call = call;
    this.#clock = clock;
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.#controller = controller),
        pull: () => void this.#body?.resume(),
        cancel: () => {
          this.#isOpen = false;
          this.#response?.destroy();
        },
      },
      { highWaterMark: waitingMax },
    );
  }

  /** The head of the answer has come. */
  answered(response: http.IncomingMessage): void {
    const body = decoded(response);
    this.#response = response;
    this.#body = body;
    if (isFailure(response.statusCode)) this.#kind = "text";
    body.on("data", (text: string) => this.#take(text));
    body.on("error", (error) => this.#end(error));
    body.on("end", () => this.#end(null));
    body.on("close", () => {
      if (this.#isOpen) this.#end(new LostConnection());
    });
  }

  /** Ends the stream with the first error that it is told. */
  fail(error: Error): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#call.failure = error;
    this.#controller?.error(error);
    this.#response?.destroy();
  }

  #take(text: string): void {
    if (!this.#isOpen) return;
    if (this.#kind === "events") this.#filter(text);
    else this.#look(text);
  }

  #look(text: string): void {
    this.#head += text;
    if (this.#kind === "unknown") {
      const said = this.#head.replace(/^\ufeff/, "");
      const [first] = said.trimStart();
      if (first === undefined) return;
      if (!"<{[".includes(first)) {
        this.#kind = "events";
        this.#head = "";
        this.#filter(said);
        return;
      }
      this.#kind = "text";
      this.#head = said;
    }
    if (this.#head.length > bodyCharsMax) this.#refuse();
  }

  #filter(text: string): void {
    const { filter } = this.#call;
    try {
      this.#pass(filter.push(text));
    } catch (error) {
      this.fail(error as Error);
      return;
    }
    if (filter.ended) {
      this.#close();
      this.#drain();
    } else if ((this.#controller?.desiredSize ?? 0) <= 0) this.#body?.pause();
  }

  #pass(events: string): void {
    if (events !== "") this.#controller?.enqueue(this.#encoder.encode(events));
  }

  /** The body is over. What was read of an error's is better than nothing. */
  #end(error: Error | null): void {
    if (!this.#isOpen) return;
    if (this.#kind === "text") this.#refuse();
    else if (error !== null) this.fail(error);
    else {
      this.#pass(this.#call.filter.end());
      this.#close();
    }
  }

  #refuse(): void {
    const { statusCode = 0, headers } = this.#response ?? { headers: {} };
    this.fail(new NotAStream(statusCode, flat(headers), this.#head.slice(0, bodyCharsMax)));
  }

  #close(): void {
    this.#isOpen = false;
    this.#controller?.close();
  }

  /** The reply is over and the response is not: read to its end, its connection can be used again. */
  #drain(): void {
    const response = this.#response;
    if (response === null || response.complete || response.destroyed) return;
    const timer = this.#clock.timer(drainMs, "model response drain", () => response.destroy());
    response.once("close", () => timer.cancel());
    this.#body?.resume();
  }
}

class LostConnection extends Error {
  readonly code = "ECONNRESET";

  constructor() {
    super("The connection was closed in the middle of the response.");
  }
}

function isFailure(status = 0): boolean {
  return status < 200 || status > 299;
}

/** Decoded as UTF-8, invalid bytes replaced: a character may be split over two chunks. */
function decoded(response: http.IncomingMessage): Readable {
  const body = decompressed(response);
  body.setEncoding("utf8");
  return body;
}

/** Some gateways compress although they were asked not to. */
function decompressed(response: http.IncomingMessage): Readable {
  const encoding = response.headers["content-encoding"];
  const unzip =
    encoding === "gzip" || encoding === "deflate"
      ? zlib.createUnzip()
      : encoding === "br"
        ? zlib.createBrotliDecompress()
        : null;
  if (unzip === null) return response;
  response.on("error", (error) => unzip.destroy(error));
  response.on("close", () => {
    if (!response.complete) unzip.destroy(new LostConnection());
  });
  return response.pipe(unzip);
}

function flat(headers: http.IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name !== "content-encoding" && name !== "content-length")
      .map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]),
  );
}
