import { Pipe } from "../network/pipe.ts";
import type { Scheduler } from "../scheduler.ts";
import type { SimProcess } from "../process.ts";
import type { Rng } from "../rng.ts";
import type { Trace } from "../trace.ts";
import type { Backend } from "./backend.ts";
import type {
  Change,
  ClientEnd,
  Committed,
  DatabaseWeather,
  Sabotage,
  UnitFault,
} from "./ports.ts";
import { changeOf, failingQuery, lost, outcomeOf, sessionPattern } from "./answers.ts";
import { nameOfBind, Session, type Unit } from "./session.ts";
import { noticePrefix } from "./shadows.ts";
import {
  errorFrame,
  frame,
  framesOf,
  int32,
  messageOfNotice,
  parseComplete,
  queryFrame,
  readyIdle,
  textsOf,
  zeroEnded,
  type Frame,
  type ServerError,
} from "./wire.ts";

/** A transaction whose client says nothing, since it is paused, gone or cut off, holds up everybody here: it is ended soon. */
const idleTransactionMs = 200;

/** Whoever else leaves a transaction open for so long waits for something else inside of it. */
export const stalledTransactionMs = 2_000;

/** What a unit prepares: anew, in order; and which of its statements (from 0) every session shares already. */
interface Preparation {
  readonly parsed: [name: string, text: string][];
  readonly known: ReadonlySet<number>;
}

/**
 * One PostgreSQL for all replicas. Its one session is lent to one transaction at a time; the simulated sessions, their
 * locks and their notifications are kept here.
 */
export class DatabaseServer {
  readonly #backend: Backend;
  readonly #scheduler: Scheduler;
  readonly #trace: Trace;
  readonly #rng: Rng;
  readonly #weather: DatabaseWeather;
  readonly #sessions = new Map<Session, ClientEnd>();
  readonly #waiting: Unit[] = [];
  readonly #faults = new WeakMap<Unit, UnitFault | null>();
  #holder: Session | null = null;
  #changes: Change[] = [];
  /** What the server does on its own account, once no transaction is open. */
  #chores: string[] = [];
  #pids = 100;
  #lastPid = 0;
  readonly committed: ((committed: Committed) => void)[] = [];
  /** Told of a transaction whose client lives, and does not go on. */
  onStalled: (unit: string, process: SimProcess) => void = () => {};
  sabotage: Sabotage = {};
  statements = 0;

  constructor(deps: {
    backend: Backend;
    scheduler: Scheduler;
    trace: Trace;
    rng: Rng;
    weather: DatabaseWeather;
  }) {
    this.#backend = deps.backend;
    this.#scheduler = deps.scheduler;
    this.#trace = deps.trace;
    this.#rng = deps.rng;
    this.#weather = deps.weather;
  }

  get sessions(): readonly Session[] {
    return [...this.#sessions.keys()];
  }

  /** Whether a transaction is open: what is committed can be read at other times. */
  get busy(): boolean {
    return this.#holder !== null;
  }

  /** Reads what is committed, in no time. Only while no transaction is open. */
  peek(sql: string): Record<string, string | null>[] {
    if (this.busy) throw new Error("a transaction is open");
    return this.#backend.sql(sql);
  }

  /** Null where nobody answers. */
  connect(process: SimProcess, end: ClientEnd): Session | null {
    if (!this.#weather.databaseUp) return null;
    const down = new Pipe({
      scheduler: this.#scheduler,
      latencyMs: () => this.#weather.latencyMs(process),
      passes: () => this.#weather.reachesDatabase(process),
      deliver: (fn) => process.deliver(fn),
    });
    const session = new Session(++this.#pids, process, down);
    this.#sessions.set(session, end);
    return session;
  }

  receive(session: Session, bytes: Buffer): void {
    if (session.over) return;
    for (const unit of session.receive(bytes)) {
      if (unit.label === "startup") this.#greet(session);
      else if (unit.label === "X") this.close(session);
      else this.#waiting.push(unit);
    }
    this.#pump();
  }

  /** The connection is gone, for the server too: what was open is rolled back, and its locks are free. */
  close(session: Session, error: Error | null = null): void {
    if (session.over) return;
    session.over = true;
    const end = this.#sessions.get(session);
    this.#sessions.delete(session);
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      if (this.#waiting[i]?.session === session) this.#waiting.splice(i, 1);
    }
    if (this.#holder === session) {
      this.#backend.sql("rollback");
      this.#changes = [];
      this.#holder = null;
    }
    this.#chores.push(`delete from parley_sim.advisory_locks where pid = ${session.pid}`);
    if (error && end) {
      this.#trace.add(session.process.name, `db ${session.pid} lost: ${error.message}`);
      session.down.send(() => end.broken(error));
    }
    this.#pump();
  }

  #greet(session: Session): void {
    const refusal = this.#weather.refusal();
    if (refusal !== null) {
      this.#answer(session, errorFrame(refusal));
      return this.close(session, lost());
    }
    const parameters: [string, string][] = [
      ["server_version", "18.4"],
      ["client_encoding", "UTF8"],
      ["DateStyle", "ISO, MDY"],
      ["standard_conforming_strings", "on"],
    ];
    this.#answer(
      session,
      Buffer.concat([
        frame("R", int32(0)),
        ...parameters.map(([name, value]) => frame("S", zeroEnded(name, value))),
        frame("K", Buffer.concat([int32(session.pid), int32(1)])),
        readyIdle,
      ]),
    );
  }

  #pump(): void {
    for (;;) {
      if (this.#holder === null)
        for (const chore of this.#chores.splice(0)) this.#backend.sql(chore);
      const holder = this.#holder;
      const next = this.#waiting.findIndex(({ session }) => holder === null || session === holder);
      if (next < 0) return;
      const [unit] = this.#waiting.splice(next, 1);
      if (unit) this.#run(unit);
    }
  }

  #run(unit: Unit): void {
    const { session } = unit;
    const fault = this.#faultOf(unit);
    const { name } = session.process;
    if (fault !== null)
      this.#trace.add(name, `db ${session.pid} fault ${fault.kind} ${unit.label}`);
    if (fault?.kind === "reset_before") return this.close(session, lost());
    if (fault?.kind === "error") {
      this.#fail(unit, fault.error);
      return;
    }
    const answer = this.sabotage.lies?.(unit) === true ? this.#lie(unit) : this.#execute(unit);
    if (this.sabotage.swallows?.(unit) === true) return this.#watchIdle(session);
    if (fault?.kind === "reset_after") return this.close(session, lost());
    this.#answer(session, answer, fault?.kind === "slow" ? fault.ms : 0);
    this.#watchIdle(session);
  }

  #faultOf(unit: Unit): UnitFault | null {
    const known = this.#faults.get(unit);
    if (known !== undefined) return known;
    const drawn = this.#weather.faultOf(unit);
    this.#faults.set(unit, drawn);
    return drawn;
  }

  /** Runs everything but the COMMIT, says that it has committed, and rolls back. */
  #lie(unit: Unit): Buffer {
    const at = unit.frames.findLastIndex(({ type }) => type === "B");
    const rest = at < 0 ? [] : unit.frames.slice(0, at).filter(({ type }) => type !== "S");
    const commitIsParsed = rest.at(-1)?.type === "P";
    const before = commitIsParsed ? rest.slice(0, -1) : rest;
    const sync = framesOf(frame("S", Buffer.alloc(0)));
    const said =
      before.length === 0 ? [] : framesOf(this.#execute({ ...unit, frames: [...before, ...sync] }));
    this.#execute({ ...unit, text: "rollback", frames: framesOf(queryFrame("rollback")) });
    return Buffer.concat([
      ...said.filter(({ type }) => type !== "Z").map(({ bytes }) => bytes),
      ...(commitIsParsed ? [parseComplete] : []),
      frame("C", zeroEnded("COMMIT")),
      readyIdle,
    ]);
  }

  /** A write that goes around everything, as a careless hand in the database would make it. */
  rogue(process: SimProcess, sql: string): void {
    if (this.busy) return;
    const changes = framesOf(this.#backend.run(queryFrame(sql)))
      .filter(({ type }) => type === "N")
      .map(({ bytes }) => changeOf(messageOfNotice(bytes).slice(noticePrefix.length)));
    for (const listener of this.committed) listener({ process, statements: ["rogue"], changes });
  }

  /** As when a statement of the unit had failed: what was open is in error. */
  #fail({ session, text, names, commits }: Unit, error: ServerError): void {
    if (error.severity === "FATAL") {
      // Goes out before the end of the connection does.
      this.#answer(session, errorFrame(error));
      this.close(session, lost());
      return;
    }
    if (text === "rollback" || (commits && (text !== null || names.length === 0))) {
      // Whatever it fails with, the transaction is over.
      this.#execute({
        session,
        frames: framesOf(queryFrame("rollback")),
        label: "rollback",
        names: ["rollback"],
        commits: false,
        text: "rollback",
      });
    } else if (session.status === "T") {
      this.#backend.run(failingQuery);
      session.status = "E";
    }
    const ready = frame("Z", Buffer.from(session.status));
    this.#answer(session, Buffer.concat([errorFrame(error), ready]));
    this.#watchIdle(session);
  }

  #execute(unit: Unit): Buffer {
    const own = this.#ownAnswer(unit);
    if (own) return own;
    const { session, label, names } = unit;
    this.statements += names.length;
    const { messages, preparation } = this.#prepare(unit);
    const frames = framesOf(this.#backend.run(messages));
    session.transaction.push(...names);
    const answer = this.#digest(session, frames, preparation);
    this.#trace.add(
      session.process.name,
      `db ${session.pid} ${label} ${session.status}${outcomeOf(frames)}`,
    );
    return answer;
  }

  /** What is kept per session here, and is none of the one real session's business. */
  #ownAnswer({ session, text }: Unit): Buffer | null {
    if (text === null) return null;
    if (/^listen\b/i.test(text)) {
      session.listens = true;
      return Buffer.concat([frame("C", zeroEnded("LISTEN")), readyIdle]);
    }
    if (session.status === "I" && /^set (?!local)/i.test(text)) {
      return Buffer.concat([frame("C", zeroEnded("SET")), readyIdle]);
    }
    return null;
  }

  /** Statements are prepared once for all, under the names that every connection gives them. */
  #prepare({ session, frames }: Unit): { messages: Buffer; preparation: Preparation } {
    const { prepared } = this.#backend;
    const parsed: Preparation["parsed"] = [];
    const known = new Set<number>();
    const messages: Buffer[] = [];
    let binds = 0;
    let looksAtSession = false;
    for (const one of frames) {
      const { type, bytes } = one;
      if (type === "B") {
        const name = nameOfBind(one);
        const text = parsed.findLast(([of]) => of === name)?.[1] ?? prepared.get(name) ?? "";
        looksAtSession ||= sessionPattern.test(text);
        binds += 1;
      }
      if (type !== "P") {
        messages.push(bytes);
        continue;
      }
      const [name = "", text = ""] = textsOf(bytes.subarray(5), 2);
      if (prepared.has(name)) {
        known.add(binds);
        continue;
      }
      const rewritten = this.sabotage.rewrite?.(name, text) ?? text;
      parsed.push([name, rewritten]);
      const types = bytes.subarray(5 + Buffer.byteLength(name) + Buffer.byteLength(text) + 2);
      messages.push(frame("P", Buffer.concat([zeroEnded(name, rewritten), types])));
    }
    if (looksAtSession && this.#lastPid !== session.pid) {
      this.#backend.sql(
        `select set_config('parley_sim.pid', '${session.pid}', false),
           set_config('parley_sim.process', '${session.process.name}', false)`,
      );
      this.#lastPid = session.status === "I" ? session.pid : 0;
    }
    return { messages: Buffer.concat(messages), preparation: { parsed, known } };
  }

  /** Takes out of the answer what is for others, and follows what became of the transaction. */
  #digest(session: Session, answer: readonly Frame[], { parsed, known }: Preparation): Buffer {
    const out: Buffer[] = [];
    let binds = 0;
    let parses = 0;
    let committed = false;
    for (const { type, bytes } of answer) {
      if (type === "N") {
        const notice = messageOfNotice(bytes);
        if (notice.startsWith(noticePrefix)) {
          this.#changes.push(changeOf(notice.slice(noticePrefix.length)));
          continue;
        }
      }
      if (type === "A") {
        this.#notify(bytes);
        continue;
      }
      if (type === "1") {
        const prepared = parsed[parses++];
        if (prepared) this.#backend.prepared.set(...prepared);
      }
      if (type === "2" && known.has(binds++)) out.push(parseComplete);
      if (type === "C")
        committed = !/^(ROLLBACK|BEGIN)/.test(textsOf(bytes.subarray(5), 1)[0] ?? "");
      if (type === "E") committed = false;
      if (type === "Z") session.status = String.fromCharCode(bytes[5] ?? 0) as Session["status"];
      out.push(bytes);
    }
    this.#holder = session.status === "I" ? null : session;
    if (session.status === "I") this.#end(session, committed);
    return Buffer.concat(out);
  }

  #end(session: Session, committed: boolean): void {
    const statements = session.transaction;
    session.transaction = [];
    const changes = this.#changes;
    this.#changes = [];
    if (!committed || changes.length === 0) return;
    for (const listener of this.committed) {
      listener({ process: session.process, statements, changes });
    }
  }

  #notify(bytes: Buffer): void {
    for (const [session, end] of this.#sessions) {
      if (!session.listens) continue;
      for (const ms of this.#weather.notification(session.process)) {
        // Not in the order of the connection, on purpose: nothing may depend on it.
        this.#scheduler.after(ms, () => {
          if (session.over || !this.#weather.reachesDatabase(session.process)) return;
          session.process.deliver(() => end.receive(bytes));
        });
      }
    }
  }

  #answer(session: Session, bytes: Buffer, slowMs = 0): void {
    const end = this.#sessions.get(session);
    if (!end) return;
    session.down.send(() => end.receive(bytes), slowMs);
  }

  #watchIdle(session: Session): void {
    if (session.status === "I") return;
    const since = session.down.lastMs;
    const check = (ms: number, then: () => void): void => {
      this.#scheduler.after(since - this.#scheduler.nowMs + ms, () => {
        if (!session.over && session.status !== "I" && session.down.lastMs === since) then();
      });
    };
    check(idleTransactionMs + this.#rng.float() * 50, () => {
      const { process } = session;
      if (process.state === "running" && this.#weather.reachesDatabase(process)) return;
      this.close(session, lost());
    });
    check(stalledTransactionMs, () => {
      this.onStalled(session.transaction.join(", "), session.process);
      this.close(session, lost());
    });
  }
}
