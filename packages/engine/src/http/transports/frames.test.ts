import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { EncodedEvent } from "../../stream/ports.ts";
import { textFrame, writeFrame, type Frame } from "../../lib/text-frame.ts";
import { Frames } from "./frames.ts";

/** How often an event was asked for its text: once for each frame that is made. */
let asked = 0;

const event = (json: string, isPlain = false): EncodedEvent => ({
  type: "message_part",
  cursor: undefined,
  isPlain,
  json() {
    asked += 1;
    return json;
  },
  dataJson: () => json,
});

/** What a client of the library makes of the bytes of a server. */
async function read(...frames: readonly Frame[]): Promise<string[]> {
  const server = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    sockets.handleUpgrade(request, socket, head, (opened) => {
      for (const frame of frames) writeFrame(socket, frame);
      opened.close();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  const texts: string[] = [];
  client.on("message", (data: Buffer, isBinary: boolean) => {
    texts.push(isBinary ? "binary" : data.toString("utf8"));
  });
  await new Promise((resolve, reject) => {
    client.on("error", reject);
    client.on("close", resolve);
  });
  server.close();
  return texts;
}

test("a frame of every length form says what was put in", async () => {
  const texts = [0, 1, 125, 126, 127, 65_535, 65_536, 70_001].map((n) => "x".repeat(n));
  texts.push("Grüße, 世界 🎉 \u2028", randomUUID());
  expect(await read(...texts.map(textFrame))).toEqual(texts);
});

test("the length is that of the bytes, not of the characters", () => {
  const text = "é".repeat(100);
  const frame = textFrame(text);
  expect(Buffer.isBuffer(frame) && [...frame.subarray(0, 4)]).toEqual([0x81, 126, 0, 200]);
});

test("plain text stays a string of bytes, and other text does not", () => {
  expect(textFrame("x".repeat(200))).toBe(`\x81\x7e\x00\xc8${"x".repeat(200)}`);
  expect(textFrame("x\x7f")).toBe("\x81\x02x\x7f");
  expect(Buffer.isBuffer(textFrame("x\x80"))).toBe(true);
});

test("an event that is known to be plain is framed like any other, at every length", () => {
  for (const n of [0, 100, 115, 116, 117, 65_525, 65_526, 70_000]) {
    const json = JSON.stringify({ n: "x".repeat(n) });
    const [known, looked] = [new Frames(), new Frames()];
    expect(known.of([event(json, true)])).toBe(looked.of([event(json)]));
  }
});

test("the same events are framed once; other events are never mistaken for them", async () => {
  const frames = new Frames();
  const [a, b] = [event('{"n":1}'), event('{"n":2}')];
  asked = 0;
  const first = frames.of([a]);
  expect(frames.of([a])).toBe(first);
  expect(asked).toBe(1);
  expect(await read(first, frames.of([b]), frames.of([a, b]), frames.of([b, a]))).toEqual([
    '[{"n":1}]',
    '[{"n":2}]',
    '[{"n":1},{"n":2}]',
    '[{"n":2},{"n":1}]',
  ]);
});

test("what is large is not held on to", () => {
  const frames = new Frames();
  const large = event(JSON.stringify("x".repeat(100_000)));
  asked = 0;
  frames.of([large]);
  frames.of([large]);
  expect(asked).toBe(2);
});
