/**
 * A second, small statement of the machine's rules, in plain data, written from the documents and not from the code.
 * The property test holds the machine to it.
 */
export type Status = "waiting" | "running" | "interrupting" | "requires_action" | "error";

export interface Entry {
  readonly line: string;
  /** What the model may see; boundaries count for neither. */
  readonly seen: "user" | "assistant" | "tool" | "boundary" | "hidden";
  /** A turn ended with it, so that what stands before it is answered. */
  readonly endsTurn?: boolean;
  /** It is the user's own message, by its text. */
  readonly said?: string;
  /** It is a copy of one, which a boundary replays. */
  readonly copyOf?: string;
}

export interface Queued {
  readonly text: string;
  readonly manner: "queue" | "steer" | "interrupt";
}

export interface Model {
  status: Status;
  archived: boolean;
  history: Entry[];
  queue: Queued[];
  /** Kinds of the open calls, in call order. */
  open: ("client" | "server")[];
  hold: boolean;
  compaction: "none" | "asked" | "only";
  attempt: number;
  snapshot: number;
  historyAt: number;
  queueAt: number;
  /** Texts that the user has taken back, by deleting or editing. */
  readonly takenBack: Set<string>;
}

/** One thing that is tried. `n` and `m` choose, modulo what there is to choose from. */
export interface Command {
  readonly what: (typeof commands)[number];
  readonly n: number;
  readonly m: number;
}

export const commands = [
  "send queue",
  "send steer",
  "send interrupt",
  "send reject",
  "edit",
  "edit keep",
  "delete queued",
  "promote queued",
  "move queued",
  "edit queued",
  "promote steering",
  "interrupt",
  "interrupt hold",
  "reply",
  "call client",
  "call server",
  "run server",
  "enter requires action",
  "complete",
  "cancel",
  "finish interruption",
  "finish turn",
  "finish error",
  "retry",
  "archive",
  "unarchive",
  "compact",
  "commit boundary",
  "clear",
  "attempt",
] as const;

export const queueMax = 4;

export function newModel(text: string): Model {
  return {
    status: "running",
    archived: false,
    history: [{ line: `user: ${text}`, seen: "user", said: text }],
    queue: [],
    open: [],
    hold: false,
    compaction: "none",
    attempt: 0,
    snapshot: 1,
    historyAt: 1,
    queueAt: 0,
    takenBack: new Set(),
  };
}

/** The messages of the user that are live, in order: what an edit chooses from. */
export function editable(model: Model): number[] {
  return model.history.flatMap((entry, i) => (entry.said === undefined ? [] : [i]));
}

/**
 * Applies the command, or gives the code with which it must be refused and changes nothing. `text` is what a message
 * that it sends says.
 */
export function apply(model: Model, command: Command, text: string): string | null {
  const draft = structuredClone(model);
  draft.snapshot += 1;
  const refusal = attempt(draft, command, text);
  if (refusal !== null) return refusal;
  Object.assign(model, draft);
  return null;
}

const busy = (s: Status): boolean => s !== "waiting" && s !== "error";

function attempt(m: Model, { what, n, m: k }: Command, text: string): string | null {
  const rejected = "transition_rejected";
  if (m.archived && what !== "unarchive") return rejected;
  switch (what) {
    case "send queue":
    case "send steer":
    case "send interrupt":
    case "send reject":
      return send(m, what.slice(5) as "queue" | "steer" | "interrupt" | "reject", text);
    case "edit":
    case "edit keep": {
      const at = editable(m);
      const from = at[n % at.length];
      if (from === undefined) return "message_not_found";
      for (const entry of m.history.splice(from)) if (entry.said) m.takenBack.add(entry.said);
      if (what === "edit") dropQueue(m, m.queue);
      m.open = [];
      enter(m, text);
      return run(m);
    }
    case "delete queued":
    case "promote queued":
    case "move queued":
    case "edit queued":
      return queueAction(m, what, n, k);
    case "promote steering": {
      if (m.status !== "running" || m.queue.length === 0) return rejected;
      const steering = m.queue.filter((q) => q.manner === "steer");
      if (steering.length === 0 || m.open.length > 0) return rejected;
      for (const q of steering) say(m, q.text);
      setQueue(
        m,
        m.queue.filter((q) => q.manner !== "steer"),
      );
      if (m.compaction === "only") m.compaction = "asked";
      return null;
    }
    case "interrupt":
      if (m.status !== "running" && m.status !== "requires_action") return rejected;
      m.status = "interrupting";
      return null;
    case "interrupt hold":
      if (!busy(m.status)) return rejected;
      m.status = "interrupting";
      m.hold = true;
      return null;
    case "reply":
      if (m.status !== "running") return rejected;
      add(m, { line: `assistant: ${text}`, seen: "assistant", endsTurn: true });
      return null;
    case "call client":
    case "call server": {
      if (m.status !== "running") return rejected;
      const kind = what.slice(5) as "client" | "server";
      // A worker makes no calls while others are open: the driver does not try.
      add(m, { line: `assistant calls ${kind}`, seen: "assistant" });
      m.open = [kind];
      return null;
    }
    case "run server":
      if (m.status !== "running") return rejected;
      add(m, { line: `tool answers ${m.open.join(", ")}`, seen: "tool" });
      m.open = [];
      return null;
    case "enter requires action":
      if (m.status !== "running" || !m.open.includes("client")) return rejected;
      m.status = "requires_action";
      return null;
    case "complete":
      if (m.status !== "requires_action") return rejected;
      add(m, { line: "tool answers client", seen: "tool" });
      m.open = [];
      m.status = "running";
      return null;
    case "cancel":
      // No time passes in this test.
      return rejected;
    case "finish interruption":
      return stop(m);
    case "finish turn":
      if (m.status !== "running") return rejected;
      if (m.queue.some((q) => q.manner === "steer")) return rejected;
      close(m);
      m.compaction = "none";
      if (m.queue.length === 0) m.status = "waiting";
      else promoteHead(m);
      return null;
    case "finish error":
      if (!busy(m.status)) return rejected;
      if (m.status !== "running") close(m);
      unsteer(m);
      m.status = "error";
      m.hold = false;
      m.compaction = "none";
      return null;
    case "retry": {
      if (m.status !== "error") return rejected;
      const last = context(m).at(-1);
      if (m.open.length === 0 && (last === undefined || last.seen === "assistant")) {
        return "nothing_to_retry";
      }
      m.status = "running";
      touch(m);
      return null;
    }
    case "archive":
    case "unarchive": {
      const wanted = what === "archive";
      if (busy(m.status) || m.archived === wanted) return rejected;
      m.archived = wanted;
      return null;
    }
    case "compact":
      if (busy(m.status)) return rejected;
      if (!context(m).some((entry) => entry.seen === "assistant")) return "nothing_to_compact";
      m.compaction = m.status === "waiting" ? "only" : "asked";
      m.status = "running";
      touch(m);
      return null;
    case "commit boundary": {
      if (m.status !== "running") return rejected;
      const waiting = m.compaction === "only" ? [] : unanswered(m);
      add(m, { line: "system (model): in short", seen: "boundary" });
      for (const said of waiting) {
        add(m, { line: `user (model): ${said}`, seen: "user", copyOf: said });
      }
      add(m, { line: "assistant (user) calls compact_context", seen: "hidden" });
      add(m, { line: "tool (user) answers compact_context", seen: "hidden" });
      m.compaction = "none";
      return null;
    }
    case "clear":
      if (busy(m.status) || m.queue.length > 0) return rejected;
      if (context(m).length === 0) return "nothing_to_clear";
      close(m);
      for (const who of ["user", "model"]) {
        add(m, { line: `system (${who}): Earlier context was cleared.`, seen: "boundary" });
      }
      m.status = "waiting";
      return null;
    case "attempt":
      if (m.status !== "running") return rejected;
      m.attempt += 1;
      return null;
    default:
      throw new Error(`unknown command ${String(what satisfies never)}`);
  }
}

function send(
  m: Model,
  manner: "queue" | "steer" | "interrupt" | "reject",
  text: string,
): string | null {
  if (!busy(m.status) && m.queue.length === 0) {
    close(m);
    enter(m, text);
    return run(m);
  }
  if (!busy(m.status)) {
    if (m.queue.length > queueMax) return "queue_full";
    setQueue(m, [...m.queue, { text, manner: "queue" }]);
    close(m);
    promoteHead(m);
    return null;
  }
  if (manner === "reject") return "chat_busy";
  if (m.queue.length >= queueMax) return "queue_full";
  if (manner !== "interrupt") {
    setQueue(m, [...m.queue, { text, manner }]);
    return null;
  }
  const behind = m.queue.findIndex((q) => q.manner !== "interrupt");
  const at = behind === -1 ? m.queue.length : behind;
  setQueue(m, m.queue.toSpliced(at, 0, { text, manner }));
  m.status = "interrupting";
  m.hold = false;
  return null;
}

function queueAction(m: Model, what: string, n: number, k: number): string | null {
  const at = n % Math.max(1, m.queue.length);
  const queued = m.queue[at];
  if (queued === undefined) return "queued_message_not_found";
  const rest = m.queue.toSpliced(at, 1);
  if (what === "delete queued") {
    m.takenBack.add(queued.text);
    setQueue(m, rest);
  } else if (what === "move queued") {
    const to = k % (queueMax + 1);
    if (Math.min(to, rest.length) !== at) setQueue(m, rest.toSpliced(to, 0, queued));
  } else if (what === "edit queued") {
    const manner = k % 2 === 0 ? "queue" : "steer";
    if (manner !== queued.manner) setQueue(m, m.queue.with(at, { ...queued, manner }));
  } else if (m.status === "running" || m.status === "interrupting") {
    if (at !== 0 || queued.manner !== "interrupt") {
      setQueue(m, [{ ...queued, manner: "interrupt" }, ...rest]);
    }
    m.status = "interrupting";
    m.hold = false;
  } else {
    close(m);
    setQueue(m, [queued, ...rest]);
    promoteHead(m);
  }
  return null;
}

/** The driver's partial answers every open call, and says something otherwise. */
function stop(m: Model): string | null {
  if (m.status !== "interrupting") return "transition_rejected";
  if (m.open.length > 0) close(m, true);
  else add(m, { line: "assistant: half", seen: "assistant", endsTurn: true });
  m.compaction = "none";
  const held = m.hold;
  m.hold = false;
  if (m.queue.length === 0) m.status = "waiting";
  else {
    unsteer(m);
    if (held) m.status = "error";
    else promoteHead(m);
  }
  return null;
}

function promoteHead(m: Model): void {
  const [head, ...rest] = m.queue;
  if (head === undefined) throw new Error("nothing to promote");
  setQueue(m, rest);
  say(m, head.text);
  m.status = "running";
}

function run(m: Model): null {
  m.status = "running";
  m.hold = false;
  m.compaction = "none";
  return null;
}

const enter = say;

function say(m: Model, text: string): void {
  add(m, { line: `user: ${text}`, seen: "user", said: text });
}

function close(m: Model, endsTurn = false): void {
  if (m.open.length === 0) return;
  const line = `tool answers ${m.open.map((kind) => `${kind}!`).join(", ")}`;
  add(m, { line, seen: "tool", endsTurn });
  m.open = [];
}

function add(m: Model, entry: Entry): void {
  m.history.push(entry);
  touch(m);
}

function touch(m: Model): void {
  m.historyAt = m.snapshot;
  m.attempt = 0;
}

function setQueue(m: Model, queue: Queued[]): void {
  m.queue = queue;
  m.queueAt = m.snapshot;
}

function dropQueue(m: Model, dropped: readonly Queued[]): void {
  if (dropped.length === 0) return;
  for (const queued of dropped) m.takenBack.add(queued.text);
  setQueue(m, []);
}

function unsteer(m: Model): void {
  if (!m.queue.some((q) => q.manner === "steer")) return;
  setQueue(
    m,
    m.queue.map((q) => (q.manner === "steer" ? { ...q, manner: "queue" } : q)),
  );
}

/** Texts of the user that no reply has answered, copies of them among those. */
function unanswered(m: Model): string[] {
  const since = context(m);
  const answered = since.findLastIndex((entry) => entry.endsTurn === true);
  return since.slice(answered + 1).flatMap(({ said, copyOf }) => said ?? copyOf ?? []);
}

function context(m: Model): Entry[] {
  const boundary = m.history.findLastIndex((entry) => entry.seen === "boundary");
  return m.history.slice(boundary + 1).filter((entry) => entry.seen !== "hidden");
}
