import { Agent, createServer, request as ask } from "node:http";
import type { AddressInfo } from "node:net";
import pg from "pg";
import { WebSocketServer, type WebSocket } from "ws";
import { answer, settingsOf } from "../rig/program.ts";

/**
 * The least code that answers a message: a POST is passed to the provider, and what that says to whoever is connected
 * for the chat. With a database, each message and each reply is committed to it first, and nothing else is kept.
 */

const { provider, databaseUrl } = settingsOf<{ provider: string; databaseUrl?: string }>();
const agent = new Agent({ keepAlive: true });
const byChat = new Map<string, WebSocket>();
const pool =
  databaseUrl === undefined ? null : new pg.Pool({ connectionString: databaseUrl, max: 10 });
await pool?.query("create table if not exists bench_messages (chat text, body text)");

async function commit(chat: string, body: string): Promise<void> {
  const text = "insert into bench_messages (chat, body) values ($1, $2)";
  await pool?.query({ name: "insert", text, values: [chat, body] });
}

function say(chat: string, type: string, data: object): void {
  byChat.get(chat)?.send(JSON.stringify({ type, data }));
}

function generate(chat: string, content: string): void {
  const headers = { "content-type": "application/json" };
  const call = ask(`${provider}/chat/completions`, { method: "POST", agent, headers }, (reply) => {
    let rest = "";
    let said = "";
    reply.setEncoding("utf8");
    reply.on("data", (text: string) => {
      const events = (rest + text).split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) {
        const json = event.slice("data: ".length);
        if (json === "[DONE]") continue;
        const { choices } = JSON.parse(json) as { choices: [{ delta: { content?: string } }] };
        const delta = choices[0].delta.content;
        if (delta === undefined) continue;
        said += delta;
        say(chat, "message_part", { part: { type: "text", index: 0, delta } });
      }
    });
    reply.on("end", () => {
      void commit(chat, said).then(() => say(chat, "message", { role: "assistant", text: said }));
    });
  });
  call.end(JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content }] }));
}

const server = createServer((request, response) => {
  const chat = request.url ?? "";
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (text: string) => void (body += text));
  request.on("end", () => {
    const { content } = JSON.parse(body) as { content: string };
    void commit(chat, content).then(() => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end("{}");
      generate(chat, content);
    });
  });
});
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on("connection", (socket, request) => byChat.set(request.url ?? "", socket));
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

answer({ url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
