import { beforeEach, describe, expect, it } from "vitest";
import { episode, MemorySocket, numbered, text } from "../../../test/relay-network.ts";
import { silentLogger } from "../../lib/logger.ts";
import { ManualClock } from "../../lib/manual-clock.ts";
import { PartBuffer } from "../../parts/part-buffer.ts";
import type { Following } from "../../parts/ports.ts";
import { behindBytes, gatheredBytesMax, Outbox } from "./outbox.ts";
import { decodeFrame, type RelayMessage } from "./wire.ts";

const key = episode("chat");
let socket: MemorySocket;
let outbox: Outbox;
let buffer: PartBuffer;

beforeEach(() => {
  socket = new MemorySocket();
  outbox = new Outbox(socket);
  buffer = new PartBuffer({
    clock: new ManualClock(),
    logger: silentLogger,
    episodeBytesMax: 20 * 1024 * 1024,
  });
});

function follow(stream: number): void {
  let following: Following | undefined = undefined;
  const listener = outbox.add(
    stream,
    () => following,
    () => {},
  );
  following = buffer.follow(null, key, 1, listener);
}

function sent(): RelayMessage[] {
  return socket.sent.splice(0).flatMap(decodeFrame);
}

describe("an outbox", () => {
  it("sends what gathered as one frame, and forgets a stream that is closed", () => {
    const writer = buffer.open(key, "runner");
    follow(1);
    follow(2);
    for (const part of numbered(3)) writer.append(part);
    writer.close();
    outbox.say('{"kind":"keep_alive"}');
    expect(outbox.flush()).toEqual([1, 2]);
    expect(socket.sent).toHaveLength(1);
    const parts = { kind: "parts", first_seq: 1, parts: numbered(3) };
    expect(sent()).toEqual([
      { kind: "keep_alive" },
      { ...parts, stream: 1 },
      { kind: "closed", stream: 1 },
      { ...parts, stream: 2 },
      { kind: "closed", stream: 2 },
    ]);
    expect(outbox.has(1)).toBe(false);
    expect(outbox).toMatchObject({ empty: true, gatheredBytes: 0 });
    expect(outbox.flush()).toEqual([]);
    expect(socket.sent).toEqual([]);
  });

  it("holds nothing of a stream that was taken back", () => {
    const writer = buffer.open(key, "runner");
    follow(1);
    writer.append(text("x"));
    outbox.remove(1);
    outbox.remove(2);
    expect(outbox).toMatchObject({ empty: true, gatheredBytes: 0 });
  });

  it("makes its snapshot when it can be sent, not before", () => {
    const writer = buffer.open(key, "runner");
    follow(1);
    socket.pause();
    socket.send("x".repeat(behindBytes + 1));
    socket.sent.splice(0);
    for (let i = 0; i < 3; i++) writer.append(text("x".repeat(gatheredBytesMax / 2)));
    expect(outbox).toMatchObject({ gatheredBytes: 0, coalesced: 1 });
    writer.append(text("end"));
    outbox.flush();
    expect(socket.sent).toEqual([]);
    socket.resume();
    outbox.flush();
    expect(sent()).toEqual([
      { kind: "snapshot", stream: 1, seq: 4, parts: buffer.read(key)?.parts, truncated: false },
    ]);
    writer.append(text("more"));
    outbox.flush();
    expect(sent()).toEqual([{ kind: "parts", stream: 1, first_seq: 5, parts: [text("more")] }]);
  });

  it("ends a stream whose snapshot no peer would take", () => {
    const writer = buffer.open(key, "runner");
    for (let i = 0; i < 300; i++) writer.append(text("y".repeat(60_000)));
    follow(1);
    expect(outbox.flush()).toEqual([1]);
    expect(sent()).toEqual([{ kind: "closed", stream: 1 }]);
  });
});
