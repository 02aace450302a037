import type { Clock } from "../../lib/clock.ts";
import { backoffMs } from "../../lib/backoff.ts";
import type { Random } from "../../lib/random.ts";
import type { Scope } from "../../lib/scope.ts";
import type { Front } from "./front.ts";
import { Replica, type ReplicaEnd, type ReplicaSettings } from "./replica.ts";
import type { Health } from "./rotation.ts";

/** Replicas listen for the front only. */
const replicaHost = "127.0.0.1";

const restartBackoff = { baseMs: 1_000, maxMs: 30_000 };

export interface MembersOptions {
  readonly count: number;
  /** Start again what ended without having been asked to. */
  readonly restart: boolean;
  readonly front: Pick<Front, "add" | "remove" | "health">;
  readonly clock: Clock;
  readonly random: Random;
  readonly scope: Scope;
  /** What `parley serve` is given, and where it is found. */
  readonly replica: Omit<ReplicaSettings, "name" | "onLine" | "clock">;
  readonly onLine: (name: string, line: string) => void;
  /** What a person wants to know. */
  readonly report: (text: string) => void;
  /** After a replica has come up. */
  readonly onUp: () => Promise<void>;
}

interface Member {
  readonly name: string;
  replica: Replica | null;
  port: number | null;
  failures: number;
  /** Whether it was asked to end: then it is not started again by itself. */
  dismissed: boolean;
}

/** The replicas of a cluster, by name, whether they run or not. */
export class Members {
  readonly #options: MembersOptions;
  readonly #members: readonly Member[];
  #ending = false;

  constructor(options: MembersOptions) {
    this.#options = options;
    this.#members = Array.from({ length: options.count }, (_, index) => ({
      name: String(index + 1),
      replica: null,
      port: null,
      failures: 0,
      dismissed: false,
    }));
  }

  get names(): readonly string[] {
    return this.#members.map(({ name }) => name);
  }

  /** A line for each, fit to be shown. */
  list(): readonly string[] {
    return this.#members.map((member) => {
      const { name, replica, port } = member;
      if (replica === null) return `  ${name}  is not running`;
      return `  ${name}  process ${replica.pid}  port ${port ?? "-"}  ${this.#state(member)}`;
    });
  }

  #state({ name, replica, port }: Member): string {
    if (replica?.stopped === true) return "stopped";
    if (port === null) return "starts";
    return shown[this.#options.front.health(name) ?? "unready"];
  }

  /** True once it listens and the front knows it; false where it runs already, or ended before. */
  async start(name: string): Promise<boolean> {
    const member = this.#find(name);
    if (member.replica !== null || this.#ending) return false;
    const { clock, front, onLine, onUp } = this.#options;
    const replica = new Replica({
      ...this.#options.replica,
      name,
      clock,
      onLine: (line) => onLine(name, line),
    });
    member.replica = replica;
    member.dismissed = false;
    void this.#options.scope.run(`replica ${name}`, async () => {
      const end = await replica.exited;
      this.#ended(member, end);
    });
    const port = await replica.listening();
    if (port === undefined || replica.ended) return false;
    member.port = port;
    member.failures = 0;
    front.add({ name, host: replicaHost, port });
    await onUp();
    return true;
  }

  /** False where it does not run. */
  signal(name: string, signal: "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGTERM"): boolean {
    const member = this.#find(name);
    if (member.replica === null) return false;
    if (signal === "SIGTERM") member.dismissed = true;
    member.replica.signal(signal);
    return true;
  }

  /** Lets all of them drain; those that are not done in time are killed. Resolves when none is left. */
  async end(withinMs: number): Promise<void> {
    this.#ending = true;
    const { clock, report } = this.#options;
    const running = this.#running();
    const ended = Promise.all(running.map(({ exited }) => exited));
    const late = clock.timer(withinMs, "cluster.end", () => {
      report("Some take too long: killing them.");
      this.killAll();
    });
    for (const replica of running) replica.signal("SIGTERM");
    await ended;
    late.cancel();
  }

  killAll(): void {
    this.#ending = true;
    for (const replica of this.#running()) replica.signal("SIGKILL");
  }

  #running(): Replica[] {
    return this.#members.flatMap(({ replica }) => replica ?? []);
  }

  #find(name: string): Member {
    const member = this.#members.find((each) => each.name === name);
    if (member === undefined) throw new Error(`there is no replica ${name}`);
    return member;
  }

  #ended(member: Member, end: ReplicaEnd): void {
    const { front, report, restart, scope } = this.#options;
    const pid = member.replica?.pid;
    member.replica = null;
    member.port = null;
    front.remove(member.name);
    if (this.#ending) return;
    const well = end.code === 0 || member.dismissed;
    const again = restart && !well ? "" : ` "start ${member.name}" starts it again.`;
    report(`Replica ${member.name} (process ${pid ?? "none"}) ${howItEnded(end)}.${again}`);
    if (restart && !well) void scope.run("restart", (signal) => this.#restart(member, signal));
  }

  async #restart(member: Member, signal: AbortSignal): Promise<void> {
    const { clock, random, report } = this.#options;
    member.failures += 1;
    await clock.sleep(
      backoffMs(member.failures, restartBackoff, random),
      "cluster.restart",
      signal,
    );
    if (signal.aborted || member.replica !== null) return;
    if (await this.start(member.name)) report(`Replica ${member.name} runs again.`);
  }
}

const shown: Record<Health, string> = {
  ready: "ready",
  unready: "not ready",
  silent: "does not answer",
};

function howItEnded({ code, signal }: ReplicaEnd): string {
  if (signal !== null) return `was ended by ${signal}`;
  if (code === null) return "could not be started";
  return code === 0 ? "has drained and ended" : `ended with exit code ${code}`;
}
