import fc from "fast-check";
import type { ChatEvent, QueuedMessage } from "@parley/protocol";
import { describe, expect, it } from "vitest";
import {
  delta,
  episode,
  historyReset,
  message,
  part,
  ready,
  said,
  status,
  text,
} from "../test/events.ts";
import {
  addOlder,
  applyEvent,
  applyEvents,
  emptyTranscript,
  type Transcript,
} from "./transcript.ts";

const a1 = episode(5, 1);
const a2 = episode(5, 2);

function fold(...events: ChatEvent[]): Transcript {
  return applyEvents(emptyTranscript, events);
}

const snapshot = (name = a1, seq = 3, value = "abc"): ChatEvent => ({
  type: "preview_snapshot",
  data: { ...name, seq, parts: [text(value)] },
});
const previewReset: ChatEvent = { type: "preview_reset", data: { reason: "superseded" } };

describe("messages", () => {
  it("are placed by id, whatever order they come in", () => {
    const t = fold(said(3, 1), said(1, 2), said(2, 3));
    expect(t.messages.map((m) => m.id)).toEqual([1, 2, 3]);
  });

  it("are replaced by a newer revision, never by an older one", () => {
    const t = fold(said(1, 5), said(2, 6));
    const newer = applyEvent(t, said(1, 7));
    expect(newer.messages.map((m) => m.revision)).toEqual([7, 6]);
    expect(newer.messages[1]).toBe(t.messages[1]);
    expect(applyEvent(newer, said(1, 6))).toBe(newer);
  });

  it("keep their identity while others change", () => {
    const t = fold(said(1, 1), said(2, 2));
    const next = applyEvents(t, [delta(a1, 1, "x"), status("running"), said(3, 3)]);
    expect(next.messages[0]).toBe(t.messages[0]);
    expect(next.messages[1]).toBe(t.messages[1]);
  });

  it("that were deleted never come back, and those that a reset keeps do", () => {
    const t = fold(said(1, 1), said(2, 2), said(3, 3), historyReset(1), said(2, 2), said(4, 4));
    expect(t.messages.map((m) => m.id)).toEqual([1, 2, 4]);
    const late = applyEvents(t, [status("running"), said(3, 3)]);
    expect(late.messages.map((m) => m.id)).toEqual([1, 2, 4]);
  });

  it("a server that starts over in the middle of a connection does not take back `ready`", () => {
    expect(fold(said(1, 1), ready, historyReset(), said(1, 1)).ready).toBe(true);
    expect(fold(historyReset(), said(1, 1)).ready).toBe(false);
  });

  it("all come anew after a reset of everything, in a database that has lost some, too", () => {
    const t = fold(said(1, 1), said(2, 9), historyReset(), said(1, 1), ready, said(2, 3));
    expect(t.messages.map((m) => [m.id, m.revision])).toEqual([
      [1, 1],
      [2, 3],
    ]);
  });
});

describe("older pages", () => {
  const window: ChatEvent = { type: "history_reset", data: { has_more: true, before: 10 } };

  it("go before the window", () => {
    const t = fold(window, said(10, 10));
    const t2 = addOlder(t, { messages: [message(8, 8), message(9, 9)], has_more: true }, t);
    expect(t2.messages.map((m) => m.id)).toEqual([8, 9, 10]);
    expect([t2.hasMore, t2.before]).toEqual([true, 8]);
  });

  it("asked for before a reset are not added after it", () => {
    const asked = fold(window, said(10, 10));
    const t = applyEvents(asked, [historyReset(5), said(12, 12)]);
    expect(addOlder(t, { messages: [message(9, 9)], has_more: false }, asked)).toBe(t);
  });

  it("are not begun by a changed message that is older than the window", () => {
    const t = fold(window, said(10, 10), said(4, 12));
    expect(t.messages.map((m) => m.id)).toEqual([10]);
  });
});

describe("the preview", () => {
  it("folds the parts in order and ignores those it has seen", () => {
    const t = fold(delta(a1, 1, "a"), delta(a1, 2, "b"));
    expect(t.preview).toMatchObject({ seq: 2, parts: [text("ab")] });
    expect(applyEvent(t, delta(a1, 2, "b"))).toBe(t);
    expect(applyEvent(t, delta(a1, 1, "a"))).toBe(t);
  });

  it("keeps what is finished in it by identity", () => {
    const t = fold(delta(a1, 1, "a"), delta(a1, 2, "b", 1));
    const next = applyEvent(t, delta(a1, 3, "c", 1));
    expect(next.preview!.parts[0]).toBe(t.preview!.parts[0]);
    expect(t.preview!.parts[1]).toEqual(text("b"));
  });

  it("says that a part was lost, and is mended by a snapshot", () => {
    const t = fold(delta(a1, 1, "a"), delta(a1, 3, "c"));
    expect([t.desync, t.preview!.seq]).toEqual([true, 1]);
    expect(applyEvent(t, snapshot())).toMatchObject({ desync: false, preview: { seq: 3 } });
    expect(fold(delta(a1, 2, "b")).desync).toBe(true);
    expect(fold(delta(a1, 1, "b", 4)).desync).toBe(true);
  });

  it("is dropped in the step that adds its message, and nothing of it comes back", () => {
    const t = fold(delta(a1, 1, "a"), said(7, 6, { episode: a1 }));
    expect(t.preview).toBe(null);
    const late = applyEvents(t, [delta(a1, 1, "a"), delta(a1, 2, "b"), snapshot()]);
    expect(late).toMatchObject({ preview: null, desync: false });
  });

  it("is not dropped by a message of another episode", () => {
    const t = fold(delta(a2, 1, "a"), said(7, 6, { episode: a1 }), said(8, 6, { role: "user" }));
    expect(t.preview).toMatchObject(a2);
  });

  it("gives way to the first part of a newer attempt, not to those of an older one", () => {
    const t = fold(delta(a1, 1, "a"), previewReset, delta(a2, 1, "x"));
    expect(t.preview).toMatchObject({ ...a2, parts: [text("x")] });
    expect(applyEvent(t, delta(a1, 1, "a"))).toBe(t);
    expect(applyEvent(t, delta(a1, 2, "a"))).toBe(t);
    expect(fold(delta(a1, 1, "a"), delta(a2, 1, "x")).preview).toMatchObject(a2);
  });

  it("is replaced by a snapshot that is ahead, not by one that is behind", () => {
    const t = fold(delta(a1, 1, "a"), snapshot());
    expect(t.preview).toMatchObject({ seq: 3, parts: [text("abc")] });
    expect(applyEvent(t, snapshot(a1, 2, "ab"))).toBe(t);
    expect(applyEvent(t, delta(a1, 4, "d")).preview!.parts).toEqual([text("abcd")]);
  });

  it("is dropped by preview_reset and by a reset of everything", () => {
    expect(fold(delta(a1, 1, "a"), previewReset).preview).toBe(null);
    expect(fold(delta(a1, 1, "a"), historyReset()).preview).toBe(null);
  });

  it("shows a tool's progress and that it is full, and folds neither", () => {
    const progress = { type: "tool-progress", tool_call_id: "t", progress: { done: 1 } } as const;
    const t = fold(delta(a1, 1, "a"), part(a1, 2, progress), part(a1, 3, { type: "truncated" }));
    expect(t.preview).toMatchObject({
      seq: 3,
      parts: [text("a")],
      truncated: true,
      progress: { t: { done: 1 } },
    });
  });
});

describe("state", () => {
  const error: ChatEvent = {
    type: "error",
    data: { kind: "auth", message: "no", retryable: false },
  };
  const retry: ChatEvent = {
    type: "retry",
    data: {
      attempt: 1,
      delay_ms: 1,
      retrying_at: "2026-01-01T00:00:01.000Z",
      kind: "overloaded",
      message: "busy",
    },
  };
  const actions: ChatEvent = { type: "action_required", data: { actions: [], deadline_at: null } };

  it("an error lasts until a status says something else", () => {
    expect(fold(status("error"), error, status("error")).error).toMatchObject({ kind: "auth" });
    expect(fold(status("error"), error, status("running")).error).toBe(null);
  });

  it("pending actions last as long as the chat waits for them", () => {
    expect(fold(status("requires_action"), actions).actions).not.toBe(null);
    expect(fold(status("requires_action"), actions, status("running")).actions).toBe(null);
  });

  it.each([status("running"), said(1, 1), delta(a1, 1, "a"), snapshot()])(
    "a retry notice ends with $type",
    (event) => {
      expect(fold(retry).retry).not.toBe(null);
      expect(fold(retry, event).retry).toBe(null);
    },
  );

  it("an event of a kind that is not known changes nothing", () => {
    const t = fold(said(1, 1));
    expect(applyEvent(t, { type: "novelty", data: {} } as unknown as ChatEvent)).toBe(t);
  });
});

/**
 * A log as a server would send it: turns with steps, superseded attempts, failures, edits, queue changes,
 * with versions that grow.
 */
const logArbitrary = fc
  .array(
    fc.record({
      kind: fc.constantFrom("step", "superseded", "failed", "edit", "queue", "retry", "reset"),
      deltas: fc.array(fc.string({ minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 5 }),
    }),
    { maxLength: 12 },
  )
  .map((acts) => writeLog(acts));

function writeLog(acts: { kind: string; deltas: string[] }[]): ChatEvent[] {
  const log: ChatEvent[] = [historyReset(), status("waiting"), ready];
  let version = 1;
  let id = 0;
  let alive: ReturnType<typeof message>[] = [];
  const say = (m: ReturnType<typeof message>) => {
    alive.push(m);
    log.push({ type: "message", data: m });
  };
  const stream = (attempt: number, deltas: string[]) => {
    const name = episode(version, attempt);
    deltas.forEach((value, index) => log.push(delta(name, index + 1, value)));
    return name;
  };
  for (const { kind, deltas } of acts) {
    version++;
    if (kind === "edit" && alive.length > 1) {
      const target = alive[Math.floor(alive.length / 2)]!;
      alive = alive.filter((m) => m.id < target.id);
      log.push(historyReset(target.id - 1));
      say(message(++id, version, { role: "user" }));
    } else if (kind === "queue") {
      const queue = deltas.map((value, index) => ({ id: index, parts: [text(value)] }));
      log.push({ type: "queue_update", data: { queue: queue as unknown as QueuedMessage[] } });
    } else if (kind === "reset") {
      log.push(historyReset());
      for (const m of alive) log.push({ type: "message", data: m });
      log.push(status("waiting"), ready);
    } else {
      say(message(++id, version, { role: "user" }));
      log.push(status("running", id));
      let attempt = 1;
      let name = stream(attempt, deltas);
      if (kind === "superseded") {
        log.push(previewReset);
        name = stream(++attempt, [...deltas, "!"]);
      }
      if (kind === "retry") {
        log.push({
          type: "retry",
          data: {
            attempt,
            delay_ms: 1,
            retrying_at: "2026-01-01T00:00:01.000Z",
            kind: "overloaded",
            message: "busy",
          },
        });
        continue;
      }
      version++;
      if (kind !== "failed") {
        say(message(++id, version, { episode: name, parts: [text(deltas.join(""))] }));
      }
      log.push(status(kind === "failed" ? "error" : "waiting", id));
      if (kind === "failed") {
        log.push({ type: "error", data: { kind: "auth", message: "no", retryable: false } });
        log.push({ type: "preview_reset", data: { reason: "failed" } });
      }
    }
  }
  return log;
}

/** What is shown; the book-keeping behind it may differ. */
function shown(t: Transcript): Transcript {
  return { ...t, internal: emptyTranscript.internal };
}

describe("any delivery of the same log gives the same transcript", () => {
  it("where every event is delivered twice in a row", () => {
    fc.assert(
      fc.property(logArbitrary, (log) => {
        const twice = log.flatMap((event) => [event, event]);
        expect(shown(fold(...twice))).toEqual(shown(fold(...log)));
      }),
    );
  });

  it("where a connection begins again from any earlier event", () => {
    fc.assert(
      fc.property(logArbitrary, fc.nat(), fc.nat(), fc.nat(), (log, x, y, z) => {
        const cut = x % (log.length + 1);
        const from = Math.min(y % (log.length + 1), cut);
        const again = z % (log.length + 1);
        const delivered = [...log.slice(0, cut), ...log.slice(from), ...log.slice(again)];
        expect(shown(fold(...delivered))).toEqual(shown(fold(...log)));
      }),
    );
  });

  it("where stale messages and parts arrive once more, at the end", () => {
    fc.assert(
      fc.property(logArbitrary, fc.array(fc.nat(), { maxLength: 8 }), (log, picks) => {
        const t = fold(...log, ready);
        // A retry notice ends with whatever is heard, and an unfinished attempt goes on.
        fc.pre(t.retry === null);
        const lastReset = log.findLastIndex(
          (e) => e.type === "history_reset" && e.data.after === undefined,
        );
        const since = log.slice(lastReset).filter((e) => e.type === "message");
        const stale = since.length === 0 ? [] : picks.map((pick) => since[pick % since.length]!);
        expect(shown(applyEvents(t, stale))).toEqual(shown(t));
      }),
    );
  });

  it("however the log is cut into frames", () => {
    fc.assert(
      fc.property(logArbitrary, fc.integer({ min: 1, max: 7 }), (log, size) => {
        let t = emptyTranscript;
        for (let at = 0; at < log.length; at += size) t = applyEvents(t, log.slice(at, at + size));
        expect(t).toEqual(fold(...log));
      }),
    );
  });

  it("and its messages are those that were said and not deleted, newest revision each, in order", () => {
    fc.assert(
      fc.property(logArbitrary, (log) => {
        const t = fold(...log);
        const ids = t.messages.map((m) => m.id);
        expect(ids).toEqual(ids.toSorted((a, b) => a - b));
        expect(new Set(ids).size).toBe(ids.length);
        expect(t.desync).toBe(false);
      }),
    );
  });
});
