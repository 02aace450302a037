import { spawnSync } from "node:child_process";
import { chmod, chown, mkdtemp, rm, stat } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient, type Client } from "@parley/client";
import { afterAll, beforeAll, describe, expect, test, type TestContext } from "vitest";
import { findPostmaster } from "../src/postgres/embedded/postmaster.ts";
import {
  main,
  runCliProcess,
  startCli,
  type CliProcess,
  type CliResult,
  type CliSettings,
} from "./cli-process.ts";
import { eventually, within } from "./eventually.ts";
import { follow, previewText, settled } from "./follow.ts";
import { onlooker, textOf } from "./onlooker.ts";
import { endPostgres } from "./rig.ts";

/** The command line as people use it: real processes that know nothing but PATH and HOME. */

const nobody = 65534;
const repository = fileURLToPath(new URL("../../..", import.meta.url));
const isRoot = process.getuid?.() === 0;

/** A home of its own, with what Parley leaves in it. */
class Home {
  readonly path: string;
  readonly #servers: CliProcess[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  static async make(owner?: number): Promise<Home> {
    const path = await mkdtemp(join(tmpdir(), "parley-home-"));
    // As root without user namespaces the embedded database runs as nobody.
    await chmod(path, 0o755);
    if (owner !== undefined) await chown(path, owner, owner);
    return new Home(path);
  }

  static async of(context: TestContext, owner?: number): Promise<Home> {
    const home = await Home.make(owner);
    context.onTestFinished(async () => await home.remove());
    return home;
  }

  get dataDir(): string {
    return join(this.path, ".local", "share", "parley");
  }

  get cluster(): string {
    return join(this.dataDir, "postgres");
  }

  async run(
    args: readonly string[],
    rest: Partial<CliSettings> & { input?: string } = {},
  ): Promise<CliResult> {
    return await runCliProcess(args, { home: this.path, ...rest });
  }

  /** `parley serve`, when it has said where it is. */
  async serve(
    args: readonly string[] = ["--port", "0"],
    rest: Partial<CliSettings> = {},
  ): Promise<Server> {
    const running = startCli(["serve", ...args], { home: this.path, ...rest });
    this.#servers.push(running);
    const [, url = "", token = ""] = await running.outHas(
      /(http:\/\/127\.0\.0\.1:\d+)\/\?token=(\S+)/,
    );
    return { ...running, url, token, client: createClient({ baseUrl: url, token }) };
  }

  async remove(): Promise<void> {
    for (const server of this.#servers) server.kill("SIGKILL");
    await Promise.all(this.#servers.map(({ exited }) => exited));
    await endPostgres(this.cluster);
    await rm(this.path, { recursive: true, force: true });
  }
}

interface Server extends CliProcess {
  readonly url: string;
  readonly token: string;
  readonly client: Client;
}

async function answered(client: Client, chatId: string): Promise<string> {
  const { transcript } = await follow(client, chatId, { until: settled });
  return textOf(transcript.messages.at(-1));
}

const accounts: [name: string, uid: number | undefined][] = [
  ["the account of the tests", undefined],
];
if (isRoot) accounts.push(["an account without rights", nobody]);

describe.concurrent.each(accounts)("parley serve, as %s", (_name, uid) => {
  test("starts on a bare machine and works at once", async (context) => {
    if (uid !== undefined && !mayRun(uid)) {
      const why = `this copy of Parley lies where uid ${uid} may not read it: NOT tested as that account`;
      if (process.env["CI"] === "true") throw new Error(why);
      context.skip(why);
    }
    const home = await Home.of(context, uid);
    const server = await home.serve(["--port", "0"], uid === undefined ? {} : { uid });
    await server.outHas(/demo\/demo/);
    expect((await stat(join(home.dataDir, "token"))).mode & 0o777).toBe(0o600);
    expect((await stat(home.dataDir)).mode & 0o077).toBe(0);

    const page = await fetch(`${server.url}/?token=${server.token}`, { redirect: "manual" });
    expect(page.headers.get("set-cookie")).toMatch(
      /HttpOnly.*SameSite=Strict|SameSite=Strict.*HttpOnly/,
    );
    const { chat } = await server.client.createChat({ content: "hello there" });
    expect(await answered(server.client, chat.id)).toContain("> hello there");
    expect((await fetch(`${server.url}/api/v1/chats`)).status).toBe(401);

    server.kill("SIGTERM");
    expect(await within("the end", server.exited)).toEqual({ code: 0, signal: null });
    expect(await findPostmaster(home.cluster)).toBeUndefined();
    expect(server.err()).not.toContain(server.token);
  });
});

function mayRun(uid: number): boolean {
  return spawnSync(process.execPath, [main, "--version"], { uid, gid: uid, cwd: "/" }).status === 0;
}

describe("with a server that runs", () => {
  let home: Home;
  let server: Server;

  beforeAll(async () => {
    home = await Home.make();
    server = await home.serve();
  });
  afterAll(async () => {
    await home?.remove();
  });

  test("parley chat finds it, prints the reply to what is piped in, and ends with 0", async () => {
    const { code, out, err } = await home.run(["chat", "--model", "demo/echo"], {
      input: "first line\nsecond line\n",
    });
    expect({ code, err: err.replace(/chat [0-9a-f-]{36}/, "chat ID") }).toEqual({
      code: 0,
      err: expect.stringContaining("chat ID"),
    });
    expect(out.trim().split(/\n+/)).toEqual(["first line", "second line"]);
  });

  test("parley chat says that a reply failed, with exit code 1", async () => {
    const { code, err } = await home.run(["chat"], { input: "fail 401\nnever asked\n" });
    expect(code).toBe(1);
    expect(err).toContain("The key was refused.");
    const [newest] = (await server.client.listChats()).chats;
    const { messages } = await server.client.listMessages(newest?.id ?? "");
    expect(messages.map(textOf)).toEqual(["fail 401"]);
  });

  test("Ctrl-C stops the reply that parley chat waits for, keeps what was said, and ends with 130", async () => {
    const chat = startCli(["chat"], { home: home.path });
    chat.write("tell me something slow\n");
    const [, id = ""] = await chat.errHas(/chat ([0-9a-f-]{36})/);
    await chat.outHas(/You said/);
    chat.kill("SIGINT");
    expect(await within("the end of the chat", chat.exited)).toEqual({ code: 130, signal: null });
    const { messages } = await server.client.listMessages(id);
    expect(messages[1]).toMatchObject({ role: "assistant", finish_reason: "interrupted" });
    expect(textOf(messages[1])).toContain("You said");
  });

  test("a second server on the same folder shares the database", async () => {
    const other = await home.serve();
    expect(other.err()).toMatch(/"attached":true/);
    expect(other.token).toBe(server.token);
    expect(other.url).not.toBe(server.url);
    const { chat } = await server.client.createChat({ content: "for both", model: "demo/echo" });
    expect(await answered(other.client, chat.id)).toBe("for both");
    expect((await other.client.getChat(chat.id)).id).toBe(chat.id);

    other.kill("SIGTERM");
    expect(await within("the end of the second", other.exited)).toEqual({ code: 0, signal: null });
    // It has not taken the database with it.
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  test("parley token makes, lists and revokes what the API then goes by", async () => {
    const made = await home.run(["token", "create", "--principal", "alice", "--name", "laptop"]);
    expect(made.code).toBe(0);
    const token = made.out.trim();
    const alice = createClient({ baseUrl: server.url, token });
    const { chat } = await alice.createChat({ content: "mine", model: "demo/echo" });
    await expect(server.client.getChat(chat.id)).rejects.toMatchObject({ code: "chat_not_found" });
    const screen = onlooker(alice, chat.id);
    await screen.until("the reply", settled);

    const list = await home.run(["token", "list", "--principal", "alice"]);
    expect(list.out).not.toContain(token);
    const id = /^([0-9a-f-]{36}) +alice +laptop/m.exec(list.out)?.[1] ?? "";
    expect(await home.run(["token", "revoke", id])).toMatchObject({ code: 0 });
    await eventually("the token is dead", async () => {
      const answer = await fetch(`${server.url}/api/v1/chats`, {
        headers: { authorization: `Bearer ${token}` },
      });
      return answer.status === 401;
    });
    // A stream that it had opened ends, for good.
    await expect(screen.until("the end of the stream", () => false)).rejects.toThrow(
      /forbidden|unauthorized/,
    );
    await screen.close();
  });

  test("parley migrate --check and parley doctor find it good", async () => {
    expect(await home.run(["migrate", "--check"])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/ 0 to do/),
    });
    const doctor = await home.run(["doctor"], { env: { PARLEY_PORT: new URL(server.url).port } });
    expect(doctor.out).toContain("Nothing stands in the way.");
    expect(doctor.out).toContain(`${server.url} (process ${server.pid}`);
    expect(doctor.code).toBe(0);
  });

  test("parley doctor and parley serve say that a port is taken, with exit code 1", async (context) => {
    const taken = createServer();
    await new Promise<void>((resolve) => void taken.listen(0, "127.0.0.1", resolve));
    context.onTestFinished(
      async () => await new Promise<void>((resolve) => void taken.close(() => resolve())),
    );
    const port = String((taken.address() as AddressInfo).port);
    const doctor = await home.run(["doctor", "--port", port]);
    expect(doctor).toMatchObject({
      code: 1,
      out: expect.stringContaining(`${port} of 127.0.0.1 is taken`),
    });
    const serve = await home.run(["serve", "--port", port]);
    expect(serve).toMatchObject({
      code: 1,
      err: expect.stringContaining(`Port ${port} of 127.0.0.1 is taken`),
    });
    const own = await home.run(["serve", "--port", new URL(server.url).port]);
    expect(own).toMatchObject({ code: 1, err: expect.stringContaining(`(process ${server.pid})`) });
  });
});

describe.concurrent("parley serve and its end", () => {
  test("SIGTERM: what runs comes to its end, new work is refused, exit 0", async (context) => {
    const home = await Home.of(context);
    // Whoever waits for the whole grace is not at the end before this test is given up.
    const server = await home.serve(["--drain-grace-seconds", "600"]);
    const { chat } = await server.client.createChat({ content: "slow: hello" });
    const screen = onlooker(server.client, chat.id);
    context.onTestFinished(async () => await screen.close());
    await screen.until("it speaks", (t) => previewText(t).length > 10);
    server.kill("SIGTERM");
    await server.errHas(/letting running steps end/);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
    const refused = await fetch(`${server.url}/api/v1/chats`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
      body: JSON.stringify({ content: "more" }),
    });
    expect(await refused.json()).toMatchObject({ status: 503, code: "draining" });
    await screen.until("the reply is whole", settled);
    expect(await within("the end", server.exited)).toEqual({ code: 0, signal: null });
    expect(textOf(screen.transcript.messages[1])).toContain("Say `help`");

    const again = await home.serve(["--port", new URL(server.url).port]);
    expect(again.token).toBe(server.token);
    expect((await again.client.listMessages(chat.id)).messages).toEqual(screen.transcript.messages);
  });

  test("a second SIGINT: at once, 130; the reply goes on at the next start", async (context) => {
    const home = await Home.of(context);
    const server = await home.serve();
    const { chat } = await server.client.createChat({ content: "slow: hello" });
    const screen = onlooker(server.client, chat.id);
    context.onTestFinished(async () => await screen.close());
    await screen.until("it speaks", (t) => previewText(t).length > 10);
    server.kill("SIGINT");
    await server.errHas(/once more ends at once/);
    // Two that come together are one Ctrl-C, which a terminal and npm both pass on: a person's second comes later.
    let ended = false;
    void server.exited.then(() => (ended = true));
    await eventually("the end", () => ended || (server.kill("SIGINT"), false));
    expect(await server.exited).toEqual({ code: 130, signal: null });
    expect(settled(screen.transcript)).toBe(false);
    await home.serve(["--port", new URL(server.url).port]);
    await screen.until("the reply is whole", settled);
    expect(textOf(screen.transcript.messages[1])).toContain("Say `help`");
  });

  test("kill -9 and a new start: parley chat goes on with the reply that it was printing", async (context) => {
    const home = await Home.of(context);
    const server = await home.serve();
    const chat = startCli(["chat"], { home: home.path });
    context.onTestFinished(() => chat.kill("SIGKILL"));
    chat.write("hello\n");
    await chat.outHas(/built-in/);
    server.kill("SIGKILL");
    await server.exited;
    const again = await home.serve(["--port", new URL(server.url).port]);
    await chat.outHas(/Say `help`/);
    chat.write("call roll_dice\n");
    chat.endInput();
    expect(await within("the end of the chat", chat.exited)).toEqual({ code: 0, signal: null });
    const [newest] = (await again.client.listChats()).chats;
    const { messages } = await again.client.listMessages(newest?.id ?? "");
    expect(messages.map(({ role }) => role)).toEqual([
      "user",
      "assistant",
      "user",
      "assistant",
      "tool",
      "assistant",
    ]);
    expect(chat.out()).toContain(textOf(messages[5]).trim().split("\n").at(-1));
  });

  test("npm start, with nothing but PATH and HOME, is all that it takes", async (context) => {
    const home = await Home.of(context);
    const npm = { command: ["npm", "start", "--silent", "--"], cwd: repository } as const;
    const running = startCli(["--port", "0"], { home: home.path, ...npm });
    context.onTestFinished(() => running.kill("SIGKILL"));
    const [, url = "", token = ""] = await running.outHas(
      /(http:\/\/127\.0\.0\.1:\d+)\/\?token=(\S+)/,
    );
    const client = createClient({ baseUrl: url, token });
    const { chat } = await client.createChat({ content: "hello", model: "demo/echo" });
    expect(await answered(client, chat.id)).toBe("hello");
    running.kill("SIGINT");
    expect(await within("the end", running.exited)).toMatchObject({ code: 0 });
    await eventually(
      "nothing is left",
      async () => (await findPostmaster(home.cluster)) === undefined,
    );
  });
});

test.concurrent.each([
  [{ PARLEY_PROT: "1" }, ["serve"], "PARLEY_PROT is not a setting. Did you mean PARLEY_PORT?"],
  [{ PARLEY_PORT: "many" }, ["serve"], "PARLEY_PORT=many: must be a whole number from 0 to 65535"],
  [{ PARLEY_LOG_LEVEL: "wran" }, ["serve"], "warn"],
  [{}, ["serve", "--prot", "1"], "Did you mean --port?"],
  [{}, ["sevre"], "Did you mean serve?"],
])(
  "wrong settings %j and arguments %j are refused with 2 and a better one",
  async (env, args, hint) => {
    const { code, out, err } = await runCliProcess(args, {
      home: "/nonexistent",
      cwd: "/",
      env: { ...env },
    });
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(hint);
  },
);
