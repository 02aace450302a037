import type { ClientRequestArgs } from "node:http";
import type { Duplex } from "node:stream";
import WebSocket from "ws";
import { assertNever } from "../../lib/assert.ts";
import { textFrame, writeFrame } from "../../lib/text-frame.ts";
import { RelayError, type RelayErrorCode } from "./errors.ts";
import type { DialRequest, RelaySocket, RelaySocketEvents, RelayTransport } from "./ports.ts";
import { frameBytesMax } from "./wire.ts";

/** Peers answer a goodbye in less; then the connection is cut. */
export const goodbyeMs = 1_000;

/** The same on both sides. Compression costs ten times the CPU for frames that are small and many. */
export const socketOptions = {
  perMessageDeflate: false,
  maxPayload: frameBytesMax,
  closeTimeout: goodbyeMs,
};

/** Certificates, by their content (PEM). Both sides show one that this authority signed. */
export interface RelayTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** The name that peers' certificates bear, where it is not the host in their addresses. */
  readonly serverName?: string;
}

/** Links over WebSockets. */
export class WebSocketTransport implements RelayTransport {
  readonly #tls: RelayTls | null;

  constructor(tls: RelayTls | null) {
    this.#tls = tls;
  }

  dial(
    { url, authorization }: DialRequest,
    events: RelaySocketEvents & { open(): void },
  ): RelaySocket {
    this.#assertUsable(url, authorization);
    const socket = new WebSocket(url, {
      ...socketOptions,
      followRedirects: false,
      headers: authorization === null ? {} : { authorization },
      ...(this.#tls && tlsOptions(this.#tls)),
    });
    socket.on("open", () => events.open());
    // Anything but a link: what it says is a stranger's, and read by nobody.
    socket.on(
      "unexpected-response",
      (request: { destroy(): void }, response: { statusCode?: number }) => {
        request.destroy();
        socket.emit("error", refusalOf(response.statusCode));
      },
    );
    return new WebSocketLink(socket, events);
  }

  #assertUsable(url: string, authorization: string | null): void {
    const protocol = URL.canParse(url) ? new URL(url).protocol : "";
    if (protocol === "wss:" && (this.#tls !== null || authorization !== null)) return;
    // Where certificates are asked for, an address without them is somebody's mistake, or worse.
    if (protocol === "ws:" && this.#tls === null && authorization !== null) return;
    throw new RelayError(
      "relay_bad_address",
      "The peer's address is none to be dialled from here.",
    );
  }
}

/** A WebSocket, on either side, as the relay sees it. */
export class WebSocketLink implements RelaySocket {
  readonly #socket: WebSocket;
  readonly #connection: Duplex | null;
  readonly #onSent: () => void;
  #over = false;
  #error: RelayError | null = null;

  /** `connection`: the one under a WebSocket of a server, whose frames are not masked: they are written to it directly. */
  constructor(socket: WebSocket, events: RelaySocketEvents, connection: Duplex | null = null) {
    this.#socket = socket;
    this.#connection = connection;
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      if (this.#over) return;
      if (isBinary) {
        this.close("relay_protocol");
        events.closed(new RelayError("relay_protocol", "A binary frame arrived."));
        return;
      }
      events.frame(data.toString("utf8"));
    });
    socket.on("error", (error: Error) => {
      this.#error ??=
        error instanceof RelayError ? error : new RelayError(codeOf(error), error.message, error);
      // A refusal that was answered by us leaves the socket half made.
      if (error instanceof RelayError) this.#ended(events, this.#error);
    });
    socket.on("close", (code: number) => this.#ended(events, this.#error ?? endOf(code)));
    this.#onSent = () => {
      if (!this.#over && socket.bufferedAmount === 0) events.drained();
    };
    connection?.on("drain", this.#onSent);
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(frame: string): void {
    if (this.#over || this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#connection === null) this.#socket.send(frame, this.#onSent);
    else writeFrame(this.#connection, textFrame(frame));
  }

  close(why: RelayErrorCode): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#socket.readyState !== WebSocket.OPEN || isFault(why)) this.#socket.terminate();
    else this.#socket.close(closeCodeOf(why), why);
  }

  #ended(events: RelaySocketEvents, error: RelayError): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket.terminate();
    events.closed(error);
  }
}

function tlsOptions({ ca, cert, key, serverName }: RelayTls): ClientRequestArgs {
  return {
    ca,
    cert,
    key,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
    ...(serverName !== undefined && { servername: serverName }),
  } as ClientRequestArgs;
}

function refusalOf(status: number | undefined): RelayError {
  if (status === 421) {
    return new RelayError("relay_wrong_worker", "Another worker lives at this address.");
  }
  if (status === 503) return new RelayError("relay_full", "The peer takes no more links.");
  return new RelayError(
    "relay_refused",
    `The peer answered ${status}: another secret, or no relay.`,
  );
}

/** Peers that do not keep to the protocol are not asked to keep to its end. */
function isFault(why: RelayErrorCode): boolean {
  return why === "relay_protocol" || why === "relay_silent" || why === "relay_timeout";
}

function closeCodeOf(why: RelayErrorCode): number {
  switch (why) {
    case "relay_unused":
      return 1000;
    case "relay_stopped":
      return 1001;
    case "relay_protocol":
      return 4400;
    case "relay_unproved":
      return 4401;
    case "relay_silent":
    case "relay_timeout":
      return 4408;
    case "relay_wrong_worker":
      return 4421;
    case "relay_version":
      return 4426;
    case "relay_full":
      return 4503;
    case "relay_no_address":
    case "relay_bad_address":
    case "relay_unreachable":
    case "relay_refused":
      return 4500;
    default:
      return assertNever(why, "reason to close");
  }
}

function endOf(code: number): RelayError {
  const ends: Readonly<Record<number, RelayErrorCode>> = {
    1000: "relay_unused",
    1001: "relay_stopped",
    4400: "relay_protocol",
    4401: "relay_unproved",
    4408: "relay_timeout",
    4421: "relay_wrong_worker",
    4426: "relay_version",
    4503: "relay_full",
  };
  return new RelayError(ends[code] ?? "relay_unreachable", `The peer closed the link (${code}).`);
}

/** Frames that the library refuses, as opposed to a network that fails. */
function codeOf(error: Error & { code?: unknown }): RelayErrorCode {
  return String(error.code).startsWith("WS_ERR_") ? "relay_protocol" : "relay_unreachable";
}
