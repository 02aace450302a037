/** As much of the WebSocket of browsers and of Node as a stream needs. */
export interface WebSocketLike {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  close(code?: number): void;
}

export interface WebSockets {
  open(url: string, headers: Record<string, string> | undefined): WebSocketLike;
  /** `open` sends headers. Browsers cannot: there a ticket says who asks. */
  sendsHeaders: boolean;
}

type WebSocketConstructor = new (
  url: string,
  options?: { headers: Record<string, string> },
) => WebSocketLike;

/** The runtime's own WebSocket, or null where it has none (Node 20). */
export function systemWebSockets(): WebSockets | null {
  const { WebSocket, process } = globalThis as unknown as {
    WebSocket?: WebSocketConstructor;
    process?: { versions?: { node?: string } };
  };
  if (WebSocket === undefined) return null;
  return {
    // Node's takes headers as an option; a browser's throws at the second argument.
    sendsHeaders: process?.versions?.node !== undefined,
    open: (url, headers) =>
      headers === undefined ? new WebSocket(url) : new WebSocket(url, { headers }),
  };
}
