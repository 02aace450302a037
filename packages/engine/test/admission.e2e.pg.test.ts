import { createClient } from "@parley/client";
import { expect, test } from "vitest";
import { eventually } from "./eventually.ts";
import { settled } from "./follow.ts";
import { onlooker } from "./onlooker.ts";
import { gate, textScript } from "./provider-server.ts";
import { rigOf } from "./rig.ts";

/** Two server processes with one limit between them. */

async function gauge(url: string, token: string, line: string): Promise<boolean> {
  const page = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
  return (await page.text()).split("\n").includes(line);
}

test("a chat waits for the other server's, says so, can be stopped meanwhile, and has its turn", async (context) => {
  const env = { PARLEY_RUNNING_CHATS_MAX: "1" };
  const rig = await rigOf(context, { env });
  const { client, provider, server } = rig;
  const other = await rig.another(env);
  const there = createClient({ baseUrl: other.url, token: other.token });
  const rest = gate();
  const model = "openai-chat/scripted";
  provider.enqueue("openai-chat", [
    { gate: rest.promise },
    ...textScript("openai-chat", ["At last."]),
  ]);
  const first = await client.createChat({ content: "Take your time.", model });
  await eventually("it works", () => provider.requests.length === 1);

  const second = await there.createChat({ content: "And I?", model });
  const third = await there.createChat({ content: "Never mind.", model });
  const [here, waiting] = [onlooker(client, second.chat.id), onlooker(there, second.chat.id)];
  for (const screen of [here, waiting]) {
    await screen.until("it says why it waits", (t) => t.status?.waiting?.reason === "capacity");
  }
  for (const { url, token } of [server, other]) {
    await eventually(
      "both are counted",
      async () => await gauge(url, token, 'parley_chats_waiting{reason="capacity"} 2'),
    );
    expect(await gauge(url, token, 'parley_slots{kind="root"} 1')).toBe(true);
  }

  // What waits is stopped at once, full or not.
  const stopped = onlooker(there, third.chat.id);
  await client.interrupt(third.chat.id);
  await stopped.until("it has stopped", settled);
  expect(provider.requests).toHaveLength(1);

  provider.enqueue("openai-chat", textScript("openai-chat", ["You."]));
  rest.open();
  for (const screen of [here, waiting]) {
    const seen = await screen.until("it was answered", settled);
    expect(seen.status?.waiting).toBeUndefined();
    expect(seen.messages).toHaveLength(2);
  }
  const { messages } = await client.listMessages(first.chat.id);
  expect(messages).toHaveLength(2);
  await Promise.all([here, waiting, stopped].map(async (screen) => await screen.close()));
});
