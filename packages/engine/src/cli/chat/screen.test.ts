import type { ChatEvent, QueuedMessage } from "@parley/protocol";
import { describe, expect, it } from "vitest";
import {
  at,
  chat,
  chatId,
  delta,
  episode,
  historyReset,
  part,
  ready,
  said,
  status,
  text,
} from "../../../../client/test/events.ts";
import { emptyPage, paint } from "./ink.ts";
import { emptyScreen, show, withTyped, type Screen } from "./screen.ts";

const a1 = episode(5, 1);
const a2 = episode(5, 2);
const begun = run(emptyScreen(6), historyReset(), status("waiting"), ready).screen;

/** What is written for the events, without colour: `out` as in a terminal, replies alone in `plain`. */
function run(from: Screen, ...events: ChatEvent[]) {
  let screen = from;
  let page = emptyPage;
  let plainPage = emptyPage;
  let out = "";
  let plain = "";
  for (const event of events) {
    const step = show(screen, event);
    screen = step.screen;
    const painted = paint(page, step.inks, "terminal");
    const piped = paint(plainPage, step.inks, "plain");
    page = painted.page;
    plainPage = piped.page;
    // oxlint-disable-next-line no-control-regex -- colours
    out += painted.out.replace(/\u001b\[\d+m/g, "");
    plain += piped.out;
  }
  return { screen, out, plain };
}

const snapshot = (name: typeof a1, seq: number, value: string): ChatEvent => ({
  type: "preview_snapshot",
  data: { ...name, seq, parts: [text(value)] },
});
const reset = (reason: "superseded" | "failed" | "edited" | "committed"): ChatEvent => ({
  type: "preview_reset",
  data: { reason },
});
const user = (id: number, value: string, client_id: string | null = null) =>
  said(id, id, { role: "user", parts: [text(value)], client_id });
const reply = (id: number, value: string, name = a1, more = {}) =>
  said(id, 6, { parts: [text(value)], episode: name, finish_reason: "stop", ...more });

it("that the chat is being summarised is said once; the summary is what a tool gave", () => {
  const progress = (seq: number, chars: number): ChatEvent =>
    part(a1, seq, {
      type: "tool-progress",
      tool_call_id: "compaction_5_1",
      progress: { tool_name: "compact_context", state: "running", reason: "asked", chars },
    });
  const id = { tool_call_id: "compaction_5_1", tool_name: "compact_context" };
  const { out } = run(
    begun,
    progress(1, 0),
    progress(2, 40),
    said(2, 6, {
      visibility: "user",
      parts: [{ type: "tool-call", ...id, input: { reason: "asked" } }],
      episode: a1,
      finish_reason: "tool_calls",
    }),
    said(3, 6, {
      role: "tool",
      visibility: "user",
      parts: [{ type: "tool-result", ...id, output: "in short", is_error: false }],
    }),
  );
  expect(out.match(/summarising/g)).toHaveLength(1);
  expect(out).toContain("compact_context: in short");
});

describe("a reply", () => {
  it("is written as it streams, and not again when it is committed", () => {
    const { out } = run(begun, delta(a1, 1, "Hel"), delta(a1, 2, "lo"), reply(2, "Hello!"));
    expect(out).toBe("Hello!\n");
  });

  it("that was never seen live is written whole", () => {
    expect(run(begun, reply(2, "Hello!")).out).toBe("Hello!\n");
  });

  it("is not written again after a reconnect, whatever is sent again", () => {
    const { out } = run(
      begun,
      user(1, "q"),
      delta(a1, 1, "Hel"),
      historyReset(),
      user(1, "q"),
      status("running"),
      snapshot(a1, 2, "Hello"),
      ready,
      delta(a1, 3, "!"),
      reply(2, "Hello!"),
      historyReset(),
      user(1, "q"),
      reply(2, "Hello!"),
      status("waiting"),
      ready,
    );
    expect(out).toBe("> q\nHello!\n");
  });

  it("that was committed while the connection was away goes on where it stood", () => {
    const { out } = run(begun, delta(a1, 1, "Hel"), historyReset(), reply(2, "Hello!"), ready);
    expect(out).toBe("Hello!\n");
  });

  it("that is started again says so, and writes the new attempt", () => {
    const { out, plain } = run(
      begun,
      delta(a1, 1, "One "),
      reset("superseded"),
      delta(a2, 1, "Two"),
      reply(2, "Two", a2),
    );
    expect(out).toBe("One \n(that reply is void: it is started again)\nTwo\n");
    expect(plain).toBe("One \nTwo\n");
  });

  it("that is started again without a word about it does so, too", () => {
    const { out } = run(begun, delta(a1, 1, "One"), snapshot(a2, 3, "Two"));
    expect(out).toBe("One\n(that reply is void: it is started again)\nTwo");
  });

  it("that is kept shorter than it was shown is written as it is kept", () => {
    const { out } = run(
      begun,
      delta(a1, 1, "One two"),
      reply(2, "One", a1, { finish_reason: "interrupted" }),
    );
    expect(out).toBe("One two\n(what was kept differs from the above)\nOne\n(stopped)\n");
  });

  it("says how it ended when that was not as it should", () => {
    expect(run(begun, reply(2, "x", a1, { finish_reason: "length" })).out).toContain("(cut off");
    expect(run(begun, delta(a1, 1, "x"), reset("failed")).out).toBe("x\n(that reply failed)\n");
    expect(run(begun, delta(a1, 1, "x"), reset("committed")).out).toBe("x\n");
  });

  it("shows thinking apart, and a tool call when it has arrived whole", () => {
    const call = { type: "tool-call", index: 2, tool_call_id: "t", tool_name: "dice" } as const;
    const { out, plain } = run(
      begun,
      part(a1, 1, { type: "reasoning", index: 0, delta: "hm" }),
      delta(a1, 2, "I roll", 1),
      part(a1, 3, { ...call, input_delta: '{"n":' }),
      part(a1, 4, { ...call, input_delta: "6}" }),
      part(a1, 5, { ...call, input: { n: 6 } }),
    );
    expect(out).toBe('hm\nI roll\n→ dice({"n":6})\n');
    expect(plain).toBe("I roll");
  });

  it("shows results on one line", () => {
    const result = { type: "tool-result", tool_call_id: "t", tool_name: "dice" } as const;
    const parts = [
      { ...result, output: "a\nb", is_error: false },
      { ...result, output: { why: 1 }, is_error: true },
    ];
    expect(run(begun, said(3, 7, { role: "tool", parts })).out).toBe(
      '← dice: a b\n✗ dice: {"why":1}\n',
    );
  });

  it("cannot drive the terminal", () => {
    expect(run(begun, reply(2, "a\u001b]0;x\u0007\u009b2Jb\r\n")).out).toBe("a]0;x2Jb\n\n");
  });
});

describe("messages of people", () => {
  it("are shown, unless they were typed here", () => {
    expect(run(begun, user(1, "hi\nyou", "c")).out).toBe("> hi\n  you\n");
    expect(run(withTyped(begun, "c"), user(1, "hi", "c")).out).toBe("");
  });

  it("that waited in the queue are shown when their turn comes", () => {
    const queued: QueuedMessage = {
      id: 9,
      chat_id: chatId,
      position: 0,
      when_busy: "steer",
      parts: [text("later")],
      model: null,
      reasoning_effort: null,
      client_id: "c",
      created_by: null,
      created_at: at,
    };
    const queue = (list: QueuedMessage[]): ChatEvent => ({
      type: "queue_update",
      data: { queue: list },
    });
    const typed = withTyped(begun, "c");
    const { out } = run(typed, queue([queued]), queue([queued]), user(3, "later", "c"), queue([]));
    expect(out).toBe("queued 1 [steer]: later\n> later\n");
  });

  it("that an edit replaces are said to be", () => {
    const { out } = run(begun, user(1, "a"), historyReset(0), user(2, "b"));
    expect(out).toBe("> a\n(the chat was edited: what follows replaces its end)\n> b\n");
  });
});

describe("the first picture", () => {
  const opening = [
    historyReset(),
    user(1, "one"),
    said(2, 2, { parts: [text("two")] }),
    user(3, "three"),
    status("running", 3),
    snapshot(a1, 2, "thr"),
    ready,
  ];

  it("is the newest messages and then the reply that is being written", () => {
    expect(run(emptyScreen(2), ...opening).out).toBe("two\n> three\nthr");
  });

  it("may be empty but for what is going on", () => {
    expect(run(emptyScreen(0), ...opening).out).toBe("thr");
  });

  it("is not repeated", () => {
    const { screen } = run(emptyScreen(0), ...opening);
    expect(run(screen, ...opening).out).toBe("");
  });
});

describe("state", () => {
  const failed: ChatEvent = {
    type: "error",
    data: { kind: "auth", message: "bad key", provider: "openai", retryable: false },
  };

  it("shows an error once, and again when it happens again", () => {
    const one = run(begun, status("error"), failed, historyReset(), status("error"), failed);
    expect(one.out).toBe("error from openai (auth): bad key\n");
    expect(run(one.screen, status("running"), status("error"), failed).out).toContain("bad key");
  });

  it("shows a held queue as a pause", () => {
    const held: ChatEvent = {
      type: "error",
      data: { kind: "stopped", message: "", retryable: true },
    };
    expect(run(begun, status("error"), held).out).toMatch(/^paused/);
  });

  it("says that it will be tried again", () => {
    const retry: ChatEvent = {
      type: "retry",
      data: { attempt: 2, delay_ms: 1800, retrying_at: at, kind: "overloaded", message: "busy" },
    };
    expect(run(begun, retry).out).toBe(
      "overloaded: busy; trying again in 2 s (attempt 2 failed)\n",
    );
  });

  it("says which model stands in for one that is down", () => {
    const retry: ChatEvent = {
      type: "retry",
      data: {
        attempt: 3,
        delay_ms: 250,
        retrying_at: at,
        kind: "overloaded",
        message: "busy",
        model: "a/first",
        next_model: "b/second",
      },
    };
    expect(run(begun, retry).out).toBe(
      "overloaded: busy; trying again with b/second now (attempt 3 failed)\n",
    );
  });

  it("says once what a tool call waits for", () => {
    const waits: ChatEvent = {
      type: "action_required",
      data: {
        actions: [
          {
            tool_call_id: "t1",
            tool_name: "ask",
            kind: "client_tool",
            input: 1,
            deadline_at: null,
          },
        ],
        deadline_at: null,
      },
    };
    expect(run(begun, status("requires_action"), waits, waits).out).toBe(
      "ask(1) waits for its result: /tool t1 JSON\n",
    );
  });

  it("says how a call is approved or denied, and until when", () => {
    const action = { tool_call_id: "t1", tool_name: "pay", kind: "approval" as const, input: 1 };
    const deadline_at = "2030-01-02T03:04:05.000Z";
    const waits: ChatEvent = {
      type: "action_required",
      data: { actions: [{ ...action, deadline_at }], deadline_at },
    };
    expect(run(begun, status("requires_action"), waits).out).toBe(
      "pay(1) waits for an approval until 2030-01-02 03:04 UTC: /approve t1 or /deny t1 REASON\n",
    );
  });

  it("says what it waits for", () => {
    const waits: ChatEvent = {
      type: "status",
      data: {
        status: "running",
        archived: false,
        turn_message_id: 1,
        waiting: { reason: "no_worker", missing: "openai" },
      },
    };
    expect(run(begun, waits, waits).out).toBe("waiting for a server that has openai\n");
  });

  it("says what the chat has cost when a turn ends, once, and not where nobody knows", () => {
    const used = (cost_usd_micros: number, unpriced_replies = 0): ChatEvent => {
      const usage = { replies: 1, unpriced_replies, input_tokens: 9, output_tokens: 1 };
      return {
        type: "chat",
        data: chat({ usage: { ...usage, total_tokens: 10, cost_usd_micros } }),
      };
    };
    const turn = [status("running"), used(400), status("waiting"), used(1_200), used(1_300)];
    expect(run(begun, used(0), ...turn).out).toBe("(this chat so far: 10 tokens, $0.0012)\n");
    const unknown = [status("running"), status("waiting"), used(0, 1)];
    expect(run(begun, used(0), ...unknown).out).toBe("");
  });

  it("says when the title or the model changes", () => {
    const is = (more: object): ChatEvent => ({ type: "chat", data: chat(more) });
    const { out } = run(begun, is({}), is({ title: "T" }), is({ title: "T", model: "demo/echo" }));
    expect(out).toBe("title: T\nmodel: demo/echo\n");
  });

  it("a tool server that is down is told of once, also to who comes later, and that it is over", () => {
    const is = (more: object): ChatEvent => ({ type: "chat", data: chat(more) });
    const down = {
      kind: "tool_server_down",
      server: "tickets",
      problem: "nothing listens there",
      since: at,
    } as const;
    const told =
      'the tool server "tickets" cannot be used now (nothing listens there): the model goes on without it\n';
    const { screen, out } = run(
      begun,
      is({}),
      is({ notices: [down] }),
      is({ notices: [{ ...down, problem: "else" }], title: null }),
    );
    expect(out).toBe(told);
    expect(run(screen, is({})).out).toBe('the tool server "tickets" is no longer missing\n');
    const later = run(emptyScreen(6), historyReset(), is({ notices: [down] }), ready);
    expect(later.out).toBe(told);
  });
});
