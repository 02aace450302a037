import { DurableStream } from "@durable-streams/client";
import { DurableStreamTestServer } from "@durable-streams/server";
import { Pacer, stamped } from "../rig/pace.ts";
import { answer, settingsOf } from "../rig/program.ts";

/** Durable Streams: a server that keeps streams in memory, and a producer that appends to them with their client. */

const { role, url } = settingsOf();

async function server() {
  const started = new DurableStreamTestServer({ port: 0, host: "127.0.0.1", compression: false });
  const address = await started.start();
  answer({ url: () => address });
}

async function producer() {
  const pacer = new Pacer();
  let emits = [];
  answer({
    async create(names) {
      const streams = await Promise.all(
        names.map(async (name) => {
          const options = { url: `${url}/v1/stream/${name}`, contentType: "application/json" };
          return await DurableStream.create(options);
        }),
      );
      emits = streams.map((stream) => {
        let seq = 0;
        return (delta) => void stream.append(JSON.stringify({ seq: ++seq, delta })).catch(() => {});
      });
    },
    start: ({ gapMs }) => pacer.start(gapMs, emits),
    pause: () => pacer.stop(),
    say(text) {
      for (const emit of emits) emit(stamped(text));
    },
    stop: () => pacer.stop(),
  });
}

await { server, producer }[role]();
