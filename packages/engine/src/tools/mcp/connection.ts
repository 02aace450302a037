import type { CallToolResult, Progress } from "@modelcontextprotocol/client";
import { SdkErrorCode, SdkError, SdkHttpError } from "@modelcontextprotocol/client";
import type { JsonObject } from "@parley/protocol";
import { linked, orAborted } from "../../lib/abort.ts";
import { assertNever } from "../../lib/assert.ts";
import type { Clock, Timer } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import type { Scope } from "../../lib/scope.ts";
import {
  initialState,
  next,
  type ConnectionEvent,
  type ConnectionState,
} from "./connection-state.ts";
import { endpointSecrets, type McpEndpoint } from "./definition.ts";
import type { Dial, Session } from "./dial.ts";
import { problemOf, ServerUnreachable } from "./problems.ts";
import { remoteTools, type RemoteTool } from "./remote-tool.ts";

/** From the first byte to the list of tools: who has not answered by then is down. */
const dialMs = 30_000;

/** How long a call waits for a connection that is being made. */
const callDialMs = 10_000;

/** A list that is older is asked for again when somebody looks: the notice of a change may have been lost. */
const listFreshMs = 5 * 60_000;

/** A connection that nobody has looked at for this long is closed; what it offered is remembered. */
const idleMs = 5 * 60_000;

/** The end of what a process said on standard error, for the log. */
const stderrCharsMax = 2_000;

export interface ConnectionOptions {
  /** For the log: the name in the first definition that asked for it. */
  readonly name: string;
  readonly endpoint: McpEndpoint;
  /** Kept open and re-made, because it is the deployment's. Otherwise it closes when it is idle. */
  readonly pinned: boolean;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly scope: Scope;
}

export interface RemoteCall {
  readonly tool: string;
  readonly args: JsonObject;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly meta: Readonly<Record<string, string>>;
  readonly onProgress: (progress: Progress) => void;
}

/** The loop around `connection-state.ts`: one server, shared by everybody who uses it. Never blocks who only looks. */
export class Connection {
  readonly #options: ConnectionOptions;
  #state: ConnectionState = initialState;
  #session: Session | null = null;
  #tools: ReadonlyMap<string, RemoteTool> | null = null;
  #listedAtMs = 0;
  #usedAtMs: number;
  #calls = 0;
  #timer: Timer | undefined;
  #settled = Promise.withResolvers<void>();
  #isListing = false;
  /** Whether the log has been told that the server is down: once per outage. */
  #isReported = false;
  #outage: string | null = null;
  #isOverdue = false;
  #stderr = "";
  readonly #stopping: AbortController = new AbortController();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#usedAtMs = options.clock.monotonic();
    options.scope.defer(`mcp ${options.name}`, async () => await this.#stop());
  }

  /** The last list that the server gave; null where it never has. */
  get tools(): ReadonlyMap<string, RemoteTool> | null {
    return this.#tools;
  }

  /** Why the server cannot be used; null where nothing is known to be wrong. */
  get problem(): string | null {
    return this.#state.phase === "waiting" ? this.#state.problem : null;
  }

  /** What was wrong when it was last tried, until it is connected again; also while another attempt is made. */
  get outage(): string | null {
    if (this.#outage === null && this.#isOverdue) return "it has not answered yet";
    return this.#outage;
  }

  get usedAtMs(): number {
    return this.#usedAtMs;
  }

  get isBusy(): boolean {
    return this.#calls > 0;
  }

  /** Somebody looks at the tools: connects, or asks for the list again, in the background. */
  touch(): void {
    const nowMs = this.#options.clock.monotonic();
    this.#usedAtMs = nowMs;
    this.#handle({ type: "wanted", nowMs });
    if (this.#session !== null && nowMs - this.#listedAtMs > listFreshMs) this.#listAgain();
    this.#watchIdle();
  }

  /** Resolves when the list is known, or the first attempt to get it has failed, or the signal aborts. */
  async known(signal: AbortSignal): Promise<void> {
    this.touch();
    if (this.#tools !== null || signal.aborted) return;
    await orAborted(this.#settled.promise, signal).catch(() => {});
  }

  /** Somebody has waited for the list, and not got it: nobody else needs to. */
  waitedInVain(): void {
    if (this.#tools === null) this.#isOverdue = true;
  }

  /**
   * @throws ServerUnreachable where the call was not sent; else what became of it, in words for a model.
   */
  async call(call: RemoteCall): Promise<CallToolResult> {
    this.#calls += 1;
    try {
      try {
        return await this.#callOnce(call);
      } catch (error) {
        if (!isSessionLost(error) || call.signal.aborted) throw error;
        // The server has forgotten the session, and so has not run the call: a restart, most likely.
        this.#drop();
        return await this.#callOnce(call);
      }
    } finally {
      this.#calls -= 1;
      this.#usedAtMs = this.#options.clock.monotonic();
    }
  }

  async #callOnce({ tool, args, ...options }: RemoteCall): Promise<CallToolResult> {
    const session = await this.#open(options.signal);
    // The SDK tells the server of the abort; nobody waits for what the server does about it.
    return await orAborted(session.call(tool, args, options), options.signal);
  }

  async #open(signal: AbortSignal): Promise<Session> {
    if (this.#session !== null) return this.#session;
    const { name, clock } = this.#options;
    using wait = linked(signal, this.#stopping.signal);
    const timer = clock.timer(callDialMs, "mcp.call_dial", () => wait.abort(new Error("timeout")));
    try {
      this.#handle({ type: "called" });
      await orAborted(this.#settled.promise, wait.signal).catch((error: unknown) => {
        if (signal.aborted) throw error;
      });
    } finally {
      timer.cancel();
    }
    if (this.#session === null) {
      throw new ServerUnreachable(name, this.problem ?? "it has not answered yet");
    }
    return this.#session;
  }

  #handle(event: ConnectionEvent): void {
    const before = this.#state;
    const { state, effects } = next(before, event);
    this.#state = state;
    if (state.phase === "connecting" && before.phase !== "connecting") {
      this.#settled = Promise.withResolvers<void>();
    }
    for (const effect of effects) {
      switch (effect.type) {
        case "dial":
          this.#dial(effect.dial);
          break;
        case "close":
          this.#closeSession();
          break;
        case "retry":
          if (this.#options.pinned) this.#later(effect.afterMs, "mcp.retry", () => this.touch());
          break;
        default:
          assertNever(effect, "connection effect");
      }
    }
    if (before.phase === "connecting" && state.phase !== "connecting") this.#settled.resolve();
  }

  #dial(dial: number): void {
    const { scope, name, endpoint, clock, random } = this.#options;
    this.#stderr = "";
    void scope.run(`mcp dial ${name}`, async (signal) => {
      using limit = linked(signal, this.#stopping.signal);
      const timer = clock.timer(dialMs, "mcp.dial", () => {
        limit.abort(new Error(`it did not answer within ${dialMs / 1_000} s`));
      });
      try {
        const dialling = this.#options.dial(endpoint, this.#eventsOf(dial), limit.signal);
        // One that comes after all is of no use to anybody.
        const abandoned = async (): Promise<void> => await (await dialling).close();
        let session: Session;
        try {
          session = await orAborted(dialling, limit.signal);
        } catch (error) {
          void scope.run(`mcp late dial ${name}`, async () => await abandoned().catch(() => {}));
          throw error;
        }
        this.#connected(dial, session);
      } catch (error) {
        const problem = problemOf(error, endpointSecrets(endpoint));
        if (this.#state.dial === dial) this.#outage = problem;
        this.#handle({ type: "failed", dial, nowMs: clock.monotonic(), problem, random });
        this.#report(problem);
      } finally {
        timer.cancel();
      }
    });
  }

  #eventsOf(dial: number) {
    const isCurrent = (): boolean => this.#state.dial === dial;
    return {
      onTools: (listed: Session["listed"]): void => {
        if (isCurrent()) this.#keep(listed);
      },
      onClose: (): void => {
        if (!isCurrent()) return;
        this.#session = null;
        this.#options.logger.info({ server: this.#options.name }, "lost a tool server");
        this.#handle({ type: "lost", dial });
      },
      onStderr: (text: string): void => {
        if (isCurrent()) this.#stderr = (this.#stderr + text).slice(-stderrCharsMax);
      },
    };
  }

  #connected(dial: number, session: Session): void {
    if (this.#state.dial !== dial || this.#state.phase !== "connecting") {
      void this.#options.scope.run("mcp stale session", async () => await session.close());
      return;
    }
    this.#session = session;
    this.#keep(session.listed);
    const { name, logger } = this.#options;
    if (this.#isReported) logger.info({ server: name }, "a tool server is back");
    this.#isReported = false;
    this.#outage = null;
    this.#isOverdue = false;
    this.#handle({ type: "connected", dial });
    this.#watchIdle();
  }

  #keep(listed: Session["listed"]): void {
    const { tools, dropped } = remoteTools(listed);
    this.#tools = tools;
    this.#listedAtMs = this.#options.clock.monotonic();
    if (dropped > 0) {
      const { name, logger } = this.#options;
      logger.warn({ server: name, dropped }, "a tool server lists tools that cannot be offered");
    }
  }

  #listAgain(): void {
    const session = this.#session;
    if (session === null || this.#isListing) return;
    this.#isListing = true;
    void this.#options.scope.run("mcp list", async (signal) => {
      try {
        this.#keep(await session.list(signal));
      } catch (error) {
        // The old list stands. A session that is no good any more is re-made by who looks next.
        this.#listedAtMs = this.#options.clock.monotonic();
        if (this.#session === session && isSessionLost(error)) this.#drop();
      } finally {
        this.#isListing = false;
      }
    });
  }

  #watchIdle(): void {
    if (this.#options.pinned || this.#session === null || this.#timer !== undefined) return;
    const { clock } = this.#options;
    const leftMs = (): number => this.#usedAtMs + idleMs - clock.monotonic();
    // A call may take longer than that: it is in use then, however long ago anybody looked.
    this.#later(this.isBusy ? idleMs : Math.max(0, leftMs()), "mcp.idle", () => {
      if (leftMs() <= 0 && !this.isBusy) this.#handle({ type: "idle" });
      else this.#watchIdle();
    });
  }

  #later(ms: number, label: string, fn: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.timer(ms, label, () => {
      this.#timer = undefined;
      fn();
    });
  }

  /** Gives up a session that the server does not know any more. */
  #drop(): void {
    if (this.#state.phase === "open") this.#handle({ type: "idle" });
  }

  #closeSession(): void {
    const session = this.#session;
    this.#session = null;
    if (session === null) return;
    void this.#options.scope.run("mcp close", async () => await session.close().catch(() => {}));
  }

  #report(problem: string): void {
    if (this.#isReported || this.#stopping.signal.aborted) return;
    this.#isReported = true;
    const { name, logger } = this.#options;
    const known = this.#tools?.size ?? 0;
    const stderr = this.#stderr === "" ? {} : { stderr: this.#stderr };
    const text = "a tool server cannot be reached; its last known tools are offered";
    logger.warn({ server: name, problem, tools: known, ...stderr }, text);
  }

  async #stop(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    this.#timer?.cancel();
    this.#stopping.abort(new Error("the server is stopping"));
    this.#handle({ type: "stop" });
    this.#settled.resolve();
    await session?.close().catch(() => {});
  }
}

/**
 * Refusals that prove that nothing was done: the session is unknown (404, says the specification; many servers say 400),
 * or the connection was closed before.
 */
function isSessionLost(error: unknown): boolean {
  if (error instanceof SdkHttpError) return error.status === 404 || error.status === 400;
  return error instanceof SdkError && error.code === SdkErrorCode.NotConnected;
}
