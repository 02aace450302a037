import { readFile } from "node:fs/promises";
import {
  type AuthProvider,
  type CallToolResult,
  Client,
  ClientCredentialsProvider,
  type FetchLike,
  type OAuthClientProvider,
  type Progress,
  StreamableHTTPClientTransport,
  type Tool as ListedTool,
} from "@modelcontextprotocol/client";
import { getDefaultEnvironment, StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import type { JsonObject } from "@parley/protocol";
import { answerBytesMax, boundedFetch } from "./bounded-fetch.ts";
import type { HttpEndpoint, McpAuth, McpEndpoint, StdioEndpoint } from "./definition.ts";
import { guardedFetch } from "./guarded-fetch.ts";
import { Reach } from "./reach.ts";

export interface CallOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly meta: Readonly<Record<string, string>>;
  readonly onProgress: (progress: Progress) => void;
}

/** A connection that has been made, with the tools that the server listed on it. */
export interface Session {
  readonly listed: readonly ListedTool[];
  /** Asks for the list again. */
  list(signal: AbortSignal): Promise<readonly ListedTool[]>;
  call(tool: string, args: JsonObject, options: CallOptions): Promise<CallToolResult>;
  close(): Promise<void>;
}

export interface SessionEvents {
  readonly onTools: (listed: readonly ListedTool[]) => void;
  /** The server is gone. Not told of a `close` of ours. */
  readonly onClose: () => void;
  /** What a process says on standard error. */
  readonly onStderr: (text: string) => void;
}

export type Dial = (
  endpoint: McpEndpoint,
  events: SessionEvents,
  signal: AbortSignal,
) => Promise<Session>;

/** Time for one step of the handshake; the whole of it is bounded by the signal. */
const stepMs = 15_000;
const listPagesMax = 16;
const changeDebounceMs = 100;
/** The stream on which a server tells of changes is tried again this often; after that, the list is asked for when it is old. */
const streamRetries = { initialReconnectionDelay: 1_000, maxReconnectionDelay: 30_000 };

/** Makes connections with the official SDK. `version` is ours, as servers see it; `reach` is for servers of chats. */
export function sdkDial(version: string, reach = new Reach()): Dial {
  const open = boundedFetch();
  const guarded = boundedFetch(guardedFetch({ reach }));
  const fetchFor = (endpoint: HttpEndpoint): FetchLike =>
    endpoint.guarded === true ? guarded : open;
  return async (endpoint, events, signal) => {
    const client = new Client(
      { name: "parley", version },
      {
        versionNegotiation: {
          // Over stdio the probe would start every server twice, and servers still speak the older protocol there.
          mode: endpoint.type === "http" ? "auto" : "legacy",
        },
        listMaxPages: listPagesMax,
        listChanged: {
          tools: {
            debounceMs: changeDebounceMs,
            onChanged: (error, tools) => {
              if (error === null && tools !== null) events.onTools(tools);
            },
          },
        },
        // Results are shown to a model, which reads anything; compiling a stranger's schema is not worth its risk.
        jsonSchemaValidator: {
          getValidator: () => (input) => ({
            valid: true,
            data: input as never,
            errorMessage: undefined,
          }),
        },
      },
    );
    const transport =
      endpoint.type === "http"
        ? httpTransport(endpoint, fetchFor(endpoint))
        : stdioTransport(endpoint, events);
    let isOurs = false;
    const close = async (): Promise<void> => {
      isOurs = true;
      await client.close();
    };
    try {
      await client.connect(transport, { timeout: stepMs, signal });
      const list = async (listSignal: AbortSignal): Promise<readonly ListedTool[]> => {
        const options = { timeout: stepMs, signal: listSignal, cacheMode: "refresh" } as const;
        return (await client.listTools(undefined, options)).tools;
      };
      const listed = client.getServerCapabilities()?.tools === undefined ? [] : await list(signal);
      client.onclose = () => {
        if (!isOurs) events.onClose();
      };
      return {
        listed,
        list,
        call: async (name, args, { signal: callSignal, timeoutMs, meta, onProgress }) =>
          await client.callTool(
            { name, arguments: args, _meta: { ...meta } },
            { signal: callSignal, timeout: timeoutMs, onprogress: onProgress },
          ),
        close,
      };
    } catch (error) {
      // A process that did not answer must not stay; how its end goes is nobody's business any more.
      await close().catch(() => {});
      throw error;
    }
  };
}

function httpTransport(
  { url, headers, auth }: HttpEndpoint,
  fetchAny: FetchLike,
): StreamableHTTPClientTransport {
  return new StreamableHTTPClientTransport(new URL(url), {
    fetch: fetchAny,
    requestInit: { headers: { ...headers } },
    reconnectionOptions: { ...streamRetries, reconnectionDelayGrowFactor: 2, maxRetries: 10 },
    ...(auth !== null && { authProvider: authOf(auth) }),
  });
}

function authOf(auth: McpAuth): AuthProvider | OAuthClientProvider {
  switch (auth.type) {
    case "bearer":
      return { token: async () => auth.token };
    case "bearer_file":
      return { token: async () => (await readFile(auth.path, "utf8")).trim() };
    case "client_credentials":
      return new ClientCredentialsProvider({
        clientId: auth.clientId,
        clientSecret: auth.clientSecret,
        expectedIssuer: auth.issuer,
        clientName: "Parley",
        ...(auth.scope !== null && { scope: auth.scope }),
      });
  }
}

function stdioTransport(
  { command, args, env, cwd }: StdioEndpoint,
  events: SessionEvents,
): StdioClientTransport {
  const transport = new StdioClientTransport({
    command,
    args: [...args],
    env: { ...getDefaultEnvironment(), ...env },
    ...(cwd !== null && { cwd }),
    stderr: "pipe",
    maxBufferSize: answerBytesMax,
  });
  transport.stderr?.on("data", (chunk: Buffer) => events.onStderr(chunk.toString("utf8")));
  return transport;
}
