import type { RelayError, RelayErrorCode } from "./errors.ts";
import type { RelayHost } from "./host.ts";

/** One end of a connection that carries text frames, in order, each once. None of its calls throws. */
export interface RelaySocket {
  send(frame: string): void;
  /** What `send` took and the network has not. */
  readonly bufferedBytes: number;
  /** Ends the connection, or the attempt to make one. Nothing is reported any more. */
  close(why: RelayErrorCode): void;
}

/** What becomes of a connection. Never called from within a call of its socket. */
export interface RelaySocketEvents {
  frame(text: string): void;
  /** Everything that `send` took has gone. */
  drained(): void;
  /** The last event, and not for a `close` of our own. */
  closed(error: RelayError): void;
}

export interface DialRequest {
  readonly url: string;
  /** The `Authorization` header; null where certificates are all there is. */
  readonly authorization: string | null;
}

/** How links are made: WebSockets, or whatever a test or the simulator has. */
export interface RelayTransport {
  /**
   * Begins to connect; `open` or `closed` follows, perhaps never.
   *
   * @throws RelayError `relay_bad_address`
   */
  dial(request: DialRequest, events: RelaySocketEvents & { open(): void }): RelaySocket;
}

/** Both sides of how links are made, instead of sockets: for the simulator. */
export interface RelayNetwork {
  readonly transport: RelayTransport;
  /** Takes links for the host from now on, and says where. */
  listen(host: RelayHost): { readonly url: string; stop(): void };
}

/** Where peers take links. */
export interface PeerDirectory {
  /** `ws://…` or `wss://…`; null where there is no such worker, or it takes no links. */
  relayUrl(workerId: string): Promise<string | null>;
}
