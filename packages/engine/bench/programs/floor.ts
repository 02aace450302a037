import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { Pacer } from "../rig/pace.ts";
import { answer, settingsOf } from "../rig/program.ts";

/**
 * The least code that brings parts to subscribers over WebSockets. Without `edge`, what is said here goes to whoever is
 * connected here; with it, to that process, all of a turn of the event loop in one frame. An edge sends on what it gets.
 */

const { edge } = settingsOf<{ edge?: string }>();
const pacer = new Pacer();
const byChat = new Map<number, WebSocket[]>();
const options = { perMessageDeflate: false, clientTracking: false } as const;

function deliver(chat: number, event: string): void {
  for (const socket of byChat.get(chat) ?? []) socket.send(event);
}

const server = createServer();
new WebSocketServer({ server, ...options }).on("connection", (socket, request) => {
  const path = request.url ?? "";
  if (path === "/link") {
    socket.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString("utf8")) as [number, unknown][];
      for (const [chat, event] of frame) deliver(chat, JSON.stringify(event));
    });
    return;
  }
  const chat = Number(path.slice(1));
  byChat.set(chat, [...(byChat.get(chat) ?? []), socket]);
  socket.on("close", () => {
    byChat.set(chat, byChat.get(chat)?.filter((other) => other !== socket) ?? []);
  });
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

const link = edge === undefined ? null : new WebSocket(edge, options);
if (link !== null) await new Promise((resolve) => link.once("open", resolve));
let waiting: [number, unknown][] = [];

function say(chat: number, seq: number, delta: string): void {
  const part = { type: "text", index: 0, delta };
  const data = { history_version: 1, generation_attempt: 1, seq, part };
  const event = { type: "message_part", data };
  if (link === null) return deliver(chat, JSON.stringify(event));
  if (waiting.push([chat, event]) > 1) return;
  setImmediate(() => {
    link.send(JSON.stringify(waiting));
    waiting = [];
  });
}

answer({
  url: () => `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
  start({ chats, gapMs }: { chats: number; gapMs: number }) {
    const emits = Array.from({ length: chats }, (_, chat) => {
      let seq = 0;
      return (text: string) => say(chat, ++seq, text);
    });
    pacer.start(gapMs, emits);
  },
  stop: () => pacer.stop(),
});
