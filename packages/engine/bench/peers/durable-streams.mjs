import { DurableStream, stream } from "@durable-streams/client";
import { DurableStreamTestServer } from "@durable-streams/server";
import { quantiles } from "../rig/figures.ts";
import { Pacer } from "../rig/pace.ts";
import { answer, settingsOf } from "../rig/program.ts";
import { nowMs } from "../rig/time.ts";

/** Durable Streams: a server that keeps streams in memory, a producer that appends to them, and clients that follow. */

const { role, url = "" } = settingsOf();

async function server() {
  const started = new DurableStreamTestServer({ port: 0, host: "127.0.0.1", compression: false });
  const address = await started.start();
  answer({ url: () => address });
}

async function producer() {
  const pacer = new Pacer();
  const streams = [];
  answer({
    async create({ chats }) {
      for (let i = 0; i < chats; i++) {
        const options = { url: `${url}/v1/stream/chat-${i}`, contentType: "application/json" };
        streams.push(await DurableStream.create(options));
      }
    },
    start({ gapMs }) {
      const emits = streams.map((each) => {
        let seq = 0;
        return (delta) => void each.append(JSON.stringify({ seq: ++seq, delta })).catch(() => {});
      });
      pacer.start(gapMs, emits);
    },
    stop: () => pacer.stop(),
  });
}

async function clients() {
  let latencies = [];
  answer({
    async connect({ chats }) {
      for (let i = 0; i < chats; i++) {
        const options = { url: `${url}/v1/stream/chat-${i}`, offset: "-1", live: "sse" };
        const response = await stream(options);
        response.subscribeJson(async ({ items }) => {
          const now = nowMs();
          for (const { delta } of items) {
            latencies.push(now - Number(delta.slice("t=".length, delta.indexOf(";"))));
          }
        });
      }
    },
    begin() {
      latencies = [];
    },
    end: () => ({ ...quantiles(latencies), bytes: 0 }),
  });
}

await { server, producer, clients }[role]();
