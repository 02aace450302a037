import type { Config } from "../src/config.ts";
import { createEngine } from "../src/engine.ts";
import type { Replica } from "../src/engine/replica.ts";
import type { Logger } from "../src/lib/logger.ts";
import type { ModelReply, ModelRequest } from "../src/models/model-port.ts";
import { seededRandom } from "../src/lib/random.ts";
import { SimModels, type ModelWeights } from "./actors/models.ts";
import { SimSchemas } from "./actors/schemas.ts";
import { simTools, type ToolRun } from "./actors/tools.ts";
import type { DatabaseServer } from "./database/server.ts";
import type { DatabaseWeather } from "./database/ports.ts";
import { DatabaseSocket } from "./database/socket.ts";
import type { HttpNetwork } from "./network/http.ts";
import type { RelayNetwork } from "./network/relay.ts";
import { SimProcess } from "./process.ts";
import type { Rng } from "./rng.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";

/** Longer than a server gives its clients for their goodbye, and how often it is looked whether they are gone. */
const goodbyeMs = 6_000;
const lookEveryMs = 100;

/** What replicas live in. */
export interface Surroundings {
  readonly seed: string;
  readonly config: Config;
  readonly scheduler: Scheduler;
  readonly rng: Rng;
  readonly trace: Trace;
  readonly database: DatabaseServer;
  readonly databaseWeather: DatabaseWeather;
  readonly http: HttpNetwork;
  readonly relay: RelayNetwork;
  readonly modelWeights: Partial<ModelWeights>;
  /** Whether users only look on: whatever runs has to come to its end. */
  readonly isEnding: () => boolean;
  readonly onToolRun: (run: ToolRun) => void;
  readonly onModelCall: (process: SimProcess, request: ModelRequest) => void;
  readonly onModelReply: (request: ModelRequest, reply: ModelReply) => void;
  /** The engine has logged an error: one of its promises failed where nobody expected it. */
  readonly onErrorLogged: (process: SimProcess, message: string, error: unknown) => void;
}

/** One start of a replica: its process, and the real engine in it. */
export class SimReplica {
  readonly host: string;
  readonly process: SimProcess;
  readonly #around: Surroundings;
  #engine: Replica | null = null;
  #ending = false;
  #ended = false;
  /** What was still set when it had stopped. */
  timersLeft: readonly string[] = [];
  linksLeft = 0;

  constructor(host: string, start: number, around: Surroundings, skewMs: number) {
    const name = `${host}.${start}`;
    this.host = host;
    this.#around = around;
    this.process = new SimProcess({
      name,
      scheduler: around.scheduler,
      rng: around.rng.fork(`timers ${name}`),
      skewMs,
    });
  }

  get engine(): Replica | null {
    return this.#engine;
  }

  /** Listens, and does not drain. */
  get serves(): boolean {
    return this.#engine !== null && !this.#ending && this.process.state !== "dead";
  }

  get draining(): boolean {
    return this.#ending && !this.#ended;
  }

  /** Ended in an orderly way. */
  get ended(): boolean {
    return this.#ended;
  }

  /** `onFailed`: it could not come up, as when the database is away; a supervisor would start it again. */
  boot(onFailed: (error: unknown) => void): void {
    this.process.deliver(() => {
      this.#boot().catch((error: unknown) => {
        this.#around.trace.add(this.process.name, `did not start: ${String(error)}`);
        onFailed(error);
      });
    });
  }

  /** SIGTERM: drains, stops and exits. */
  terminate(onEnded: () => void): void {
    const engine = this.#engine;
    if (engine === null || this.#ending) return;
    this.#ending = true;
    this.#around.trace.add(this.process.name, "drains");
    this.process.deliver(() => {
      void (async () => {
        await engine.drain();
        await engine.stop();
        await this.#connectionsEnd();
        this.#ended = true;
        this.timersLeft = this.process.timers;
        this.linksLeft = this.#around.relay.openEnds(this.process);
        this.#around.trace.add(this.process.name, "has stopped");
        onEnded();
      })();
    });
  }

  /** A server that listens for real has not closed before its connections have; half-open ones it cuts off itself. */
  async #connectionsEnd(): Promise<void> {
    const { sockets } = this.#around.http;
    for (let ms = 0; sockets.heldBy(this.process) > 0 && ms < goodbyeMs; ms += lookEveryMs) {
      // oxlint-disable-next-line no-await-in-loop
      await new Promise<void>((resolve) => void this.process.timer(lookEveryMs, "exit", resolve));
    }
  }

  async #boot(): Promise<void> {
    const { seed, config, scheduler, rng, trace, database, databaseWeather, http, relay } =
      this.#around;
    const { process, host } = this;
    const { name, clock } = process;
    const stream = (): DatabaseSocket =>
      new DatabaseSocket({ server: database, process, scheduler, weather: databaseWeather });
    const engine = await createEngine(config, {
      connection: { host: "database", port: 5432, user: "parley", database: "parley", stream },
      logger: this.#logger({}),
      clock,
      random: seededRandom(`${seed}/${name}`, clock),
      version: "sim",
      tools: simTools({
        process,
        rng: rng.fork(`tools ${name}`),
        onRun: (run) => this.#around.onToolRun(run),
      }),
      models: new SimModels({
        process,
        rng: rng.fork(`models ${name}`),
        weights: this.#around.modelWeights,
        isEnding: this.#around.isEnding,
        onCall: (request, manner) => {
          trace.add(name, `model ${request.model} ${manner}`);
          this.#around.onModelCall(process, request);
        },
        onReply: (request, reply) => this.#around.onModelReply(request, reply),
      }),
      schemas: new SimSchemas(process, rng.fork(`schemas ${name}`)),
      network: {
        http: http.doorOf(process, host),
        relay: relay.portOf(process, `ws://${name}`),
      },
    });
    await engine.start();
    this.#engine = engine;
    trace.add(name, "serves");
  }

  #logger(fields: Record<string, unknown>): Logger {
    const { trace, onErrorLogged } = this.#around;
    const { process } = this;
    const line =
      (level: string) =>
      (more: Record<string, unknown>, message: string): void => {
        const err = more["err"] ?? fields["err"];
        const reason = err instanceof Error ? `: ${codeOf(err)} ${err.message.slice(0, 160)}` : "";
        const chat = more["chat_id"] ?? fields["chat_id"];
        const about = typeof chat === "string" ? ` ${chat}` : "";
        trace.add(process.name, `log ${level} ${message}${about}${reason}`);
        if (level === "error") onErrorLogged(process, message, err);
      };
    return {
      debug: line("debug"),
      info: line("info"),
      warn: line("warn"),
      error: line("error"),
      child: (more) => this.#logger({ ...fields, ...more }),
    };
  }
}

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : error.name;
}
