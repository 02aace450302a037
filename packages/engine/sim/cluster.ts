import { loadConfig, type Config } from "../src/config.ts";
import { hashToken } from "../src/domain/token.ts";
import type { ModelWeights } from "./actors/models.ts";
import { Device } from "./actors/device.ts";
import type { Backend } from "./database/backend.ts";
import { DatabaseServer } from "./database/server.ts";
import { HttpNetwork } from "./network/http.ts";
import { RelayNetwork } from "./network/relay.ts";
import { SimReplica, type Surroundings } from "./replica.ts";
import type { Rng } from "./rng.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";
import type { SimProcess } from "./process.ts";
import { Weather } from "./weather.ts";

/** A supervisor starts a server that could not come up again after this. */
const restartMs = 1_000;

export interface ClusterOptions {
  readonly seed: string;
  readonly rng: Rng;
  readonly scheduler: Scheduler;
  readonly trace: Trace;
  readonly backend: Backend;
  readonly replicas: number;
  readonly modelWeights: Partial<ModelWeights>;
  readonly settings: Readonly<Record<string, string>>;
  readonly count: (kind: string) => void;
  readonly onToolRun: Surroundings["onToolRun"];
  readonly onModelCall: Surroundings["onModelCall"];
  readonly onModelReply: Surroundings["onModelReply"];
  readonly onErrorLogged: (process: SimProcess, message: string, error: unknown) => void;
}

export interface Principal {
  readonly id: string;
  readonly token: string;
}

/** The replicas, what is between them, and the database below. */
export class Cluster {
  readonly weather: Weather;
  readonly database: DatabaseServer;
  readonly http: HttpNetwork;
  readonly relay: RelayNetwork;
  readonly hosts: readonly string[];
  readonly #options: ClusterOptions;
  readonly #around: Surroundings;
  readonly #replicas = new Map<string, SimReplica>();
  readonly #starts = new Map<string, number>();
  readonly #devices: Device[] = [];
  /** All that ever were, for the checks of what they leave behind. */
  readonly past: SimReplica[] = [];
  /** Models say a short last word from now on, and ask nobody anything. */
  isEnding = false;
  onStart: (host: string, process: SimProcess) => void = () => {};
  skewMsOf: (host: string) => number = () => 0;

  constructor(options: ClusterOptions) {
    const { seed, rng, scheduler, trace, backend, count } = options;
    this.#options = options;
    this.weather = new Weather(rng.fork("weather"), count);
    this.database = new DatabaseServer({
      backend,
      scheduler,
      trace,
      rng: rng.fork("database"),
      weather: this.weather,
    });
    this.http = new HttpNetwork(scheduler, this.weather, trace);
    this.relay = new RelayNetwork(scheduler, this.weather);
    this.hosts = Array.from({ length: options.replicas }, (_, i) => `r${i + 1}`);
    this.#around = {
      seed,
      config: configOf(options.settings),
      scheduler,
      rng,
      trace,
      database: this.database,
      databaseWeather: this.weather,
      http: this.http,
      relay: this.relay,
      modelWeights: options.modelWeights,
      isEnding: () => this.isEnding,
      onToolRun: options.onToolRun,
      onModelCall: options.onModelCall,
      onModelReply: options.onModelReply,
      onErrorLogged: options.onErrorLogged,
    };
  }

  /** The replica of that name, where it is up. */
  replica(host: string): SimReplica | undefined {
    return this.#replicas.get(host);
  }

  get replicas(): readonly SimReplica[] {
    return [...this.#replicas.values()];
  }

  start(host: string): void {
    if (this.#replicas.has(host)) return;
    const start = (this.#starts.get(host) ?? 0) + 1;
    this.#starts.set(host, start);
    const replica = new SimReplica(host, start, this.#around, this.skewMsOf(host));
    this.#replicas.set(host, replica);
    this.past.push(replica);
    this.onStart(host, replica.process);
    replica.boot(() => {
      this.kill(host, true);
      this.#options.scheduler.after(restartMs, () => this.start(host));
    });
  }

  /**
   * The process is gone at once. `heard`: its machine lives and says so to whoever is connected; otherwise nobody hears
   * anything, and its sessions end when the database has waited long enough.
   */
  kill(host: string, heard: boolean): void {
    const replica = this.#replicas.get(host);
    if (!replica) return;
    this.#replicas.delete(host);
    const { process } = replica;
    this.#options.trace.add(process.name, heard ? "dies" : "loses power");
    process.kill();
    this.http.close(host, heard);
    this.relay.gone(process, heard);
    const { scheduler, rng } = this.#options;
    const ms = heard ? rng.float() * 20 : 20_000 + rng.float() * 40_000;
    scheduler.after(ms, () => this.#endSessions(process));
  }

  /** SIGTERM. What it holds has been given up when it is gone. */
  terminate(host: string, onEnded: () => void = () => {}): void {
    const replica = this.#replicas.get(host);
    replica?.terminate(() => {
      this.#replicas.delete(host);
      this.http.close(host);
      replica.process.kill();
      this.#endSessions(replica.process);
      onEnded();
    });
  }

  /** Nothing arrives anywhere any more. */
  end(): void {
    for (const { process } of this.past) process.kill();
    for (const { process } of this.#devices) process.kill();
  }

  /** Somebody who may use the API. */
  principal(name: string, n: number): Principal {
    const id = `00000000-0000-7000-8000-${String(n).padStart(12, "0")}`;
    const token = `parley_simulated_${name}`;
    const hash = hashToken(token).toString("hex");
    this.#options.backend.sql(`
      insert into parley.principals (id, name) values ('${id}', '${name}');
      insert into parley.api_tokens (id, principal_id, name, token_hash)
        values ('${id}', '${id}', 'simulated', '\\x${hash}')`);
    return { id, token };
  }

  device(name: string, token: string): Device {
    const { scheduler, rng } = this.#options;
    const options = { name, token, scheduler, network: this.http, rng: rng.fork(name) };
    const device = new Device(options);
    this.#devices.push(device);
    return device;
  }

  #endSessions(process: SimProcess): void {
    for (const session of this.database.sessions) {
      if (session.process === process) this.database.close(session);
    }
  }
}

function configOf(env: Readonly<Record<string, string>>): Config {
  return loadConfig({ env: { ...env }, platform: "linux", homeDir: "/nowhere" }).config;
}
