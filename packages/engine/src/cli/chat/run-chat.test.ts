import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { ChatEvent, Message } from "@parley/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  chat,
  chatId,
  delta,
  episode,
  historyReset,
  message,
  ready,
  status,
  text,
  withCursors,
} from "../../../../client/test/events.ts";
import {
  json,
  problem,
  startStreamServer,
  type ServerStream,
  type StreamServer,
} from "../../../../client/test/stream-server.ts";
import { runChat } from "./run-chat.ts";

/** A stream that can be waited on for what it says. */
class Written extends PassThrough {
  text = "";
  readonly #waiting = new Set<() => void>();

  constructor() {
    super();
    this.on("data", (chunk: Buffer) => {
      this.text += chunk.toString();
      for (const look of this.#waiting) look();
    });
  }

  /** Resolves when the text that follows all that was waited for before has come. */
  async says(wanted: string): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = () => {
        if (!this.text.includes(wanted)) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }
}

let server: StreamServer;
let input: PassThrough;
let output: Written;
let errorOutput: Written;
let history: Message[];
let busy: boolean;
const looking = new Set<() => void>();

beforeEach(async () => {
  server = await startStreamServer();
  input = new PassThrough();
  output = new Written();
  errorOutput = new Written();
  history = [];
  busy = false;
  looking.clear();
  server.onRequest = (request, response) => {
    const done = answer(request, response);
    for (const look of looking) look();
    return done;
  };
});
afterEach(() => server.close());

/** As much of the API as a conversation needs. */
const answer: StreamServer["onRequest"] = (request, response) => {
  const path = new URL(request.url!, "http://server").pathname.replace("/api/v1", "");
  const body = request.body === "" ? {} : (JSON.parse(request.body) as Record<string, string>);
  if (path === "/models")
    return json(response, { models: [{ id: "demo/demo", is_default: true }] });
  if (path === "/chats" || path === `/chats/${chatId}/messages`) {
    const said = message(history.length + 1, history.length + 1, {
      role: "user",
      parts: [text(body["content"]!)],
      client_id: body["client_id"]!,
    });
    history.push(said);
    busy = true;
    return json(response, { chat: chat({ status: "running" }), messages: [said], queued: null });
  }
  if (path.endsWith("/compact")) return json(response, { chat: chat({ status: "running" }) });
  if (path.endsWith("/clear")) return json(response, { chat: chat(), messages: [] });
  if (path.endsWith("/retry")) return json(response, { chat: chat({ status: "running" }) });
  if (path.endsWith("/interrupt")) return json(response, { chat: chat(), message: null });
  if (path === `/chats/${chatId}`) return json(response, { chat: chat({ title: "Old" }) });
  return false;
};

const start = (more: object = {}) =>
  runChat({
    baseUrl: server.baseUrl,
    token: "secret",
    input,
    output,
    errorOutput,
    isTTY: false,
    ...more,
  });

let cursor = 0;
function send(stream: ServerStream, ...events: ChatEvent[]) {
  stream.send(withCursors(events).map((event) => ({ ...event, cursor: `c${++cursor}` })));
}

/** The state of the chat, as a stream begins. */
function greet(stream: ServerStream) {
  send(
    stream,
    historyReset(),
    ...history.map((data): ChatEvent => ({ type: "message", data })),
    status(busy ? "running" : "waiting", history.findLast((m) => m.role === "user")?.id ?? null),
    ready,
  );
}

function commit(value: string, name: ReturnType<typeof episode>, more: Partial<Message> = {}) {
  const turn = history.findLast((m) => m.role === "user")!.id;
  const done = message(history.length + 1, 50 + history.length, {
    parts: [text(value)],
    episode: name,
    finish_reason: "stop",
    ...more,
  });
  history.push(done);
  busy = false;
  return [{ type: "message", data: done }, status("waiting", turn)] as const;
}

/** The last message that was sent enters the stream of a chat that is open. */
function entered(): ChatEvent[] {
  const last = history.at(-1)!;
  return [{ type: "message", data: last }, status("running", last.id)];
}

/** Resolves once it holds; looked at whenever the server has answered. */
async function answered(holds: () => boolean): Promise<void> {
  await new Promise<void>((resolve) => {
    const look = () => {
      if (!holds()) return;
      looking.delete(look);
      resolve();
    };
    looking.add(look);
    look();
  });
}

describe("piped", () => {
  it("answers line after line and ends with 0", async () => {
    const code = start();
    input.end("one\ntwo\n");
    const stream = await server.stream();
    greet(stream);
    const first = episode(1, 1);
    send(stream, delta(first, 1, "Re"), delta(first, 2, "ply 1"), ...commit("Reply 1", first));
    await answered(() => history.length === 3);
    send(stream, ...entered());
    const second = episode(60, 1);
    send(stream, delta(second, 1, "Reply 2"), ...commit("Reply 2", second));
    expect(await code).toBe(0);
    expect(output.text).toBe("Reply 1\nReply 2\n");
    expect(errorOutput.text).toBe(`chat ${chatId}\n`);
    expect(history.map((m) => m.role)).toEqual(["user", "assistant", "user", "assistant"]);
  });

  it.each([
    ["valid", 0],
    ["invalid", 1],
  ] as const)("asks for JSON, and ends for a %s result with %i", async (outcome, exitCode) => {
    const responseFormat = { type: "json_schema", schema: { type: "object" } } as const;
    const code = start({ responseFormat });
    input.end("one\n");
    const stream = await server.stream();
    history[0] = { ...history[0]!, response_format: responseFormat };
    greet(stream);
    const parts = [text("{}"), { type: "structured-output", outcome, value: {} } as const];
    send(stream, ...commit("", episode(1, 1), { parts }));
    expect(await code).toBe(exitCode);
    expect(output.text).toBe("{}\n");
    const [sent] = server.requests.filter(({ method }) => method === "POST");
    expect(JSON.parse(sent!.body)).toMatchObject({
      content: "one",
      response_format: responseFormat,
    });
  });

  it("ends with 1 when the chat fails, and sends nothing more", async () => {
    const code = start();
    input.end("one\ntwo\n");
    const stream = await server.stream();
    greet(stream);
    busy = false;
    const error = { kind: "auth", message: "bad key", retryable: false } as const;
    send(stream, status("error", 1), { type: "error", data: error });
    expect(await code).toBe(1);
    expect(errorOutput.text).toContain("bad key");
    expect(history).toHaveLength(1);
  });

  it("goes on with a chat without repeating what it holds", async () => {
    history = [message(1, 1, { role: "user" }), message(2, 2)];
    const code = start({ chatId });
    const stream = await server.stream();
    greet(stream);
    input.end("next\n");
    await answered(() => history.length === 3);
    send(stream, ...entered(), ...commit("Reply", episode(9, 1)));
    expect(await code).toBe(0);
    expect(output.text).toBe("Reply\n");
  });

  it("stops at SIGINT, keeps what was said and ends with 130", async () => {
    let interrupt = () => {};
    let deaf = false;
    const interrupts = (heard: () => void) => {
      interrupt = heard;
      return () => (deaf = true);
    };
    const code = start({ interrupts });
    // The input stays open: it is not what ends it.
    input.write("one\n");
    const stream = await server.stream();
    greet(stream);
    const name = episode(1, 1);
    send(stream, delta(name, 1, "Once "));
    await output.says("Once ");
    interrupt();
    await answered(() => server.requests.some(({ path }) => path.endsWith("/interrupt")));
    send(stream, ...commit("Once ", name, { finish_reason: "interrupted" }));
    expect(await code).toBe(130);
    expect(output.text).toBe("Once \n");
    expect(errorOutput.text).toContain("(stopped)");
    expect(deaf).toBe(true);
  });

  it("leaves at SIGINT when nothing is being answered", async () => {
    let interrupt = () => {};
    const interrupts = (heard: () => void) => {
      interrupt = heard;
      return () => {};
    };
    const code = start({ chatId, interrupts });
    greet(await server.stream());
    interrupt();
    expect(await code).toBe(130);
  });

  it("waits for the reply that it asked to be tried again", async () => {
    history = [message(1, 1, { role: "user" })];
    const code = start({ chatId });
    const stream = await server.stream();
    const error = { kind: "server", message: "oh", retryable: true } as const;
    send(stream, historyReset(), status("error", 1), { type: "error", data: error }, ready);
    input.end("/retry\n");
    await answered(() => server.requests.some(({ path }) => path.endsWith("/retry")));
    send(stream, status("running", 1), ...commit("Reply", episode(9, 1)));
    expect(await code).toBe(0);
    expect(output.text).toBe("Reply\n");
  });

  it("has the chat summarised, and forgotten", async () => {
    history = [message(1, 1, { role: "user" }), message(2, 2, { role: "assistant" })];
    const code = start({ chatId });
    const stream = await server.stream();
    send(stream, historyReset(), status("waiting", 1), ready);
    input.write("/compact\n");
    await answered(() => server.requests.some(({ path }) => path.endsWith("/compact")));
    send(stream, status("running", 1), status("waiting", 1));
    input.end("/clear\n");
    await answered(() => server.requests.some(({ path }) => path.endsWith("/clear")));
    expect(await code).toBe(0);
  });

  it("sends a file with the message that follows, and with that one only", async () => {
    const folder = await mkdtemp(join(tmpdir(), "parley-attach-"));
    const path = join(folder, "a note.txt");
    await writeFile(path, "noted");
    const contents: unknown[] = [];
    server.onRequest = (request, response) => {
      if (request.url!.startsWith("/api/v1/files")) {
        const file = { name: "a note.txt", media_type: "text/plain", size_bytes: 5 };
        return json(response, { file: { id: "f-1", ...file } });
      }
      if (request.method !== "POST") return answer(request, response);
      const body = JSON.parse(request.body) as { content: unknown };
      contents.push(body.content);
      request.body = JSON.stringify({ ...body, content: "x" });
      const done = answer(request, response);
      for (const look of looking) look();
      return done;
    };
    const code = start();
    input.end(`/attach "${path}"\none\ntwo\n`);
    const stream = await server.stream();
    greet(stream);
    send(stream, ...commit("Reply 1", episode(1, 1)));
    await answered(() => history.length === 3);
    send(stream, ...entered(), ...commit("Reply 2", episode(60, 1)));
    await code;
    await rm(folder, { recursive: true });
    const upload = server.requests.find((request) => request.path.startsWith("/api/v1/files"));
    expect(upload).toMatchObject({ method: "POST", body: "noted" });
    expect(contents).toEqual([
      [
        { type: "text", text: "one" },
        { type: "file", file_id: "f-1" },
      ],
      "two",
    ]);
    expect(errorOutput.text).toContain("with your next message: a note.txt (text/plain, 5 bytes)");
  });

  it("sends nothing without the file that was to go with it", async () => {
    const code = start();
    input.end("/attach /nowhere/x.png\none\n");
    expect(await code).toBe(1);
    expect(errorOutput.text).toContain("/nowhere/x.png cannot be read: there is no such file");
    expect(history).toHaveLength(0);
  });

  it("says that it cannot get in", async () => {
    server.onRequest = (_, response) => problem(response, 401, "unauthorized");
    expect(await start()).toBe(1);
    expect(errorOutput.text).toBe("parley chat: the token is missing or not accepted\n");
  });
});

describe("in a terminal", () => {
  const key = (text: string) => input.write(text);

  it("resumes after a restart without doubling, and says so", async () => {
    const code = start({ isTTY: true });
    await output.says("/help");
    key("hello\r");
    const first = await server.stream();
    greet(first);
    const name = episode(1, 1);
    send(first, delta(name, 1, "Once upon "));
    await output.says("Once upon ");
    first.end();
    await output.says("reconnecting…");
    const second = await server.stream();
    expect(second.url.searchParams.get("cursor")).toBe(`c${cursor}`);
    await output.says("back");
    send(second, delta(name, 2, "a time"), ...commit("Once upon a time", name));
    await output.says("a time");
    key("/quit\r");
    expect(await code).toBe(0);
    expect(output.text.match(/Once upon/g)).toHaveLength(1);
    expect(output.text).toContain(`come back with: parley chat --chat ${chatId}`);
  });

  it("Ctrl-C stops the model and keeps what it said; when idle it leaves with 130", async () => {
    const code = start({ isTTY: true });
    await output.says("/help");
    key("hello\r");
    const stream = await server.stream();
    greet(stream);
    const name = episode(1, 1);
    send(stream, delta(name, 1, "Once upon "));
    await output.says("Once upon ");
    key("\u0003");
    const stop = () => server.requests.find(({ path }) => path.endsWith("/interrupt"));
    await answered(() => stop() !== undefined);
    expect(JSON.parse(stop()!.body)).toEqual({ turn: 1 });
    send(stream, ...commit("Once upon ", name, { finish_reason: "interrupted" }));
    await output.says("(stopped)");
    key("\u0003");
    expect(await code).toBe(130);
    expect(output.text).toContain(`parley chat --chat ${chatId}`);
  });

  it("a second Ctrl-C leaves while the model works", async () => {
    const code = start({ isTTY: true });
    await output.says("/help");
    key("hello\r");
    greet(await server.stream());
    await output.says(`chat ${chatId}`);
    key("\u0003\u0003");
    expect(await code).toBe(130);
  });

  it("says what a command cannot do, and goes on", async () => {
    const code = start({ isTTY: true, chatId });
    greet(await server.stream());
    await output.says("Old");
    key("/delete 4\r");
    await output.says("nothing waits at 4");
    key("/nope\r");
    await output.says("there is no /nope");
    key("\u0004");
    expect(await code).toBe(0);
  });

  it("the end of a chat that was deleted is said", async () => {
    const code = start({ isTTY: true, chatId });
    const stream = await server.stream();
    greet(stream);
    await output.says("Old");
    stream.end({ code: 4004, name: "chat_deleted" });
    await output.says("the chat was deleted");
    key("\u0003");
    expect(await code).toBe(130);
  });
});
