import { Agent, request } from "node:http";

const agent = new Agent({ keepAlive: true });

/** What a provider of chat completions says, for peers that have no adapter for one. */
export async function* wordsOf(provider, content) {
  const call = request(`${provider}/chat/completions`, {
    method: "POST",
    agent,
    headers: { "content-type": "application/json" },
  });
  const answered = new Promise((resolve, reject) => {
    call.once("response", resolve);
    call.once("error", reject);
  });
  call.end(JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content }] }));
  let rest = "";
  for await (const text of (await answered).setEncoding("utf8")) {
    const events = (rest + text).split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) {
      const json = event.slice("data: ".length);
      if (json === "[DONE]") continue;
      const { content: delta } = JSON.parse(json).choices[0].delta;
      if (delta) yield delta;
    }
  }
}
