import { createServer, type RequestListener } from "node:http";
import type { lookup as systemLookup, LookupAddress } from "node:dns";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { guardedFetch } from "./guarded-fetch.ts";
import { HostRefused, Reach } from "./reach.ts";

async function serve(listener: RequestListener): Promise<{ port: number; hits: () => number }> {
  let hits = 0;
  const server = createServer((request, response) => {
    hits += 1;
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, hits: () => hits };
}

/** A name server of our own: each look-up gives the next answer. */
function names(...answers: string[][]): typeof systemLookup {
  let at = 0;
  const look = (
    _name: string,
    _options: object,
    callback: (error: Error | null, found: LookupAddress[]) => void,
  ): void => {
    const answer = answers[Math.min(at++, answers.length - 1)] ?? [];
    queueMicrotask(() => {
      const found = answer.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
      callback(null, found);
    });
  };
  return look as unknown as typeof systemLookup;
}

const hello: RequestListener = (_request, response) => response.end("hello");
const opened = new Reach(["127.0.0.1"]);

test("fetches text and sends forms, headers and bodies", async () => {
  const { port } = await serve((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => {
      response.setHeader("x-two", ["a", "b"]);
      response.end(
        JSON.stringify([
          request.method,
          request.headers["content-type"],
          request.headers["x-key"],
          body,
        ]),
      );
    });
  });
  const get = guardedFetch({ reach: opened });
  const url = `http://127.0.0.1:${port}/`;
  const plain = await get(url, { method: "POST", headers: { "x-key": "k" }, body: '{"a":1}' });
  expect(plain.headers.get("x-two")).toBe("a, b");
  expect(await plain.json()).toEqual(["POST", null, "k", '{"a":1}'].map((x) => x ?? null));
  const form = await get(new URL(url), { method: "POST", body: new URLSearchParams({ b: "2" }) });
  const type = "application/x-www-form-urlencoded;charset=UTF-8";
  expect(await form.json()).toEqual(["POST", type, null, "b=2"]);
});

test.each([
  ["private", ["10.0.0.1"]],
  ["mapped", ["::ffff:127.0.0.1"]],
  ["public and private at once", ["93.184.215.14", "169.254.169.254"]],
])("a name that stands for an address that is %s is not connected to", async (_kind, answer) => {
  const get = guardedFetch({ reach: new Reach(), lookup: names(answer) });
  await expect(get("http://rebound.example/")).rejects.toThrow(HostRefused);
});

test("a name that is public when it is looked at first, and private then, gains nothing", async () => {
  const { port, hits } = await serve(hello);
  // What is looked up is what is connected to: the first answer is a host that nobody can reach from here.
  const reach = new Reach(["127.0.0.2"]);
  const get = guardedFetch({ reach, lookup: names(["127.0.0.2"], ["127.0.0.1"]) });
  const url = `http://rebound.example:${port}/`;
  await expect(get(url)).rejects.toThrow(/ECONNREFUSED/);
  await expect(get(url)).rejects.toThrow(HostRefused);
  expect(hits()).toBe(0);
});

test("names are looked up few at a time: they take threads that others need", async () => {
  const { port } = await serve(hello);
  const answers: (() => void)[] = [];
  let most = 0;
  const lookup = ((_name: string, _options: object, callback: (e: null, f: object[]) => void) => {
    answers.push(() => callback(null, [{ address: "127.0.0.1", family: 4 }]));
    most = Math.max(most, answers.length);
  }) as unknown as typeof systemLookup;
  const get = guardedFetch({ reach: opened, lookup });
  const all = Promise.all(
    [1, 2, 3, 4, 5].map(async (n) => await (await get(`http://s${n}.example:${port}/`)).text()),
  );
  const done = all.then(() => true);
  while ((await Promise.race([done, new Promise((resolve) => setImmediate(resolve))])) !== true) {
    answers.shift()?.();
  }
  expect(await all).toEqual(Array(5).fill("hello"));
  expect(most).toBe(2);
});

test("a redirect is handed back, and its target is judged like any other", async () => {
  const inner = await serve(hello);
  const { port } = await serve((_request, response) => {
    response.writeHead(307, { location: `http://127.0.0.2:${inner.port}/` }).end();
  });
  const get = guardedFetch({ reach: opened });
  const answer = await get(`http://127.0.0.1:${port}/`);
  expect(answer.status).toBe(307);
  await expect(get(answer.headers.get("location") ?? "")).rejects.toThrow(HostRefused);
  expect(inner.hits()).toBe(0);
});

test.each([
  ["a status that there is not", "HTTP/1.1 999 No\r\ncontent-length: 0\r\n\r\n"],
  ["a status below all others", "HTTP/1.1 099 No\r\ncontent-length: 0\r\n\r\n"],
  ["no HTTP", "SSH-2.0-OpenSSH_9.2\r\n"],
  [
    "an upgrade that nobody asked for",
    "HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
  ],
  ["headers without end", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}\r\n\r\n`],
  ["an end in the middle", "HTTP/1.1 200 OK\r\ncontent-le"],
])("a peer that answers with %s is an error, and nothing worse", async (_what, answer) => {
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  await expect(guardedFetch({ reach: opened })(`http://127.0.0.1:${port}/`)).rejects.toThrow(/./);
});

test("a body that breaks off is an error of the body; odd words beside a status are left out", async () => {
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.end("HTTP/1.1 200 \u00ff\u0001\r\ncontent-length: 10\r\n\r\nhalf", "latin1");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const answer = await guardedFetch({ reach: opened })(`http://127.0.0.1:${port}/`);
  await expect(answer.text()).rejects.toThrow(/./);
});

test("other schemes are refused, and an abort says why", async () => {
  const get = guardedFetch({ reach: opened });
  await expect(get("file:///etc/passwd")).rejects.toThrow(HostRefused);
  const { port } = await serve(() => {});
  const abort = new AbortController();
  const reason = new Error("enough");
  const pending = get(`http://127.0.0.1:${port}/`, { signal: abort.signal });
  abort.abort(reason);
  await expect(pending).rejects.toBe(reason);
});
