import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { stamped } from "../rig/pace.ts";
import { answer } from "../rig/program.ts";

/** A model provider that answers at once, over the wire of chat completions: three pieces of text, then the end. */

const pieces = 3;

const server = createServer((request, response) => {
  request.resume();
  request.on("end", () => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const chunk = (delta: object, finish_reason: string | null): void => {
      const choices = [{ index: 0, delta, finish_reason }];
      const data = { id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices };
      response.write(`data: ${JSON.stringify(data)}\n\n`);
    };
    for (let i = 0; i < pieces; i++) chunk({ role: "assistant", content: stamped() }, null);
    chunk({}, "stop");
    response.end("data: [DONE]\n\n");
  });
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

answer({ url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` });
