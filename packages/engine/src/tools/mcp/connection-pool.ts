import { Connection, type ConnectionOptions } from "./connection.ts";
import { endpointHash, type McpEndpoint, type McpServerDefinition } from "./definition.ts";

/** Servers in use at one time on one replica, the deployment's included. */
const connectionsMax = 256;

/** What a server offered is forgotten when nobody has looked for this long. */
const forgetMs = 3_600_000;

/** The same where there is no room for another one. */
const crowdedMs = 10 * 60_000;

export interface ConnectionPoolOptions extends Omit<
  ConnectionOptions,
  "name" | "endpoint" | "pinned" | "scope"
> {
  /** Their connections are kept. */
  readonly pinned: readonly McpEndpoint[];
  readonly scope: ConnectionOptions["scope"];
}

/** At most one connection for each endpoint and set of credentials, across steps and chats. */
export class ConnectionPool {
  readonly #options: ConnectionPoolOptions;
  readonly #pinned: ReadonlySet<string>;
  readonly #entries = new Map<string, { connection: Connection; stop: () => Promise<void> }>();
  /** Definitions are data that chats carry along: hashing the same object twice is for nothing. */
  readonly #hashes = new WeakMap<McpEndpoint, string>();

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
    this.#pinned = new Set(options.pinned.map(endpointHash));
  }

  /** Null where too many are in use. */
  get({ name, endpoint }: McpServerDefinition): Connection | null {
    const hash = this.#hashes.get(endpoint) ?? endpointHash(endpoint);
    this.#hashes.set(endpoint, hash);
    const known = this.#entries.get(hash);
    if (known !== undefined) return known.connection;
    this.#forget(forgetMs);
    const pinned = this.#pinned.has(hash);
    if (this.#entries.size >= connectionsMax) this.#forget(crowdedMs);
    if (this.#entries.size >= connectionsMax && !pinned) return null;
    const scope = this.#options.scope.child(`mcp ${name}`);
    const connection = new Connection({ ...this.#options, name, endpoint, pinned, scope });
    this.#entries.set(hash, { connection, stop: async () => await scope.stop() });
    return connection;
  }

  #forget(unusedMs: number): void {
    const { clock, scope } = this.#options;
    const beforeMs = clock.monotonic() - unusedMs;
    for (const [hash, { connection, stop }] of this.#entries) {
      const isInUse = connection.isBusy || connection.usedAtMs > beforeMs;
      if (this.#pinned.has(hash) || isInUse) continue;
      this.#entries.delete(hash);
      void scope.run("mcp forget", stop);
    }
  }
}
