import { describe, expect, test, type TestContext } from "vitest";
import { eventually, within } from "./eventually.ts";
import { previewText, settled } from "./follow.ts";
import {
  expectEqualToDatabase,
  expectSoundStream,
  onlooker,
  textOf,
  type Onlooker,
} from "./onlooker.ts";
import { gate, textScript } from "./provider-server.ts";
import { rigOf, type Rig } from "./rig.ts";

/** The same with the database that Parley brings along: what of it is killed, and what is found again. */

const wire = "anthropic";
const model = "anthropic/scripted";

/** A reply whose second half waits for the gate. */
async function halfway(
  context: TestContext,
  rig: Rig,
): Promise<{ chatId: string; screen: Onlooker; open: () => void }> {
  const rest = gate();
  rig.provider.enqueue(wire, textScript(wire, ["One, ", "two."], { 1: rest.promise }));
  const { chat } = await rig.client.createChat({ content: "Count.", model });
  const screen = onlooker(rig.client, chat.id);
  context.onTestFinished(async () => await screen.close());
  await screen.until("the first half is on the screen", (t) => previewText(t) === "One, ");
  return { chatId: chat.id, screen, open: rest.open };
}

describe.concurrent("the embedded database", () => {
  test("outlives a server that is killed, is found again, and ends with the last one", async (context) => {
    const rig = await rigOf(context, { embedded: true });
    const { chatId, screen } = await halfway(context, rig);
    await rig.checkpointed(chatId, 1);
    const before = await rig.postmaster();
    await rig.kill();
    expect(await rig.postmaster()).toEqual(before);

    await rig.restart();
    expect(rig.server.output()).toMatch(/"attached":true/);
    expect(await rig.postmaster()).toEqual(before);
    await screen.until("the reply is whole", settled);
    const messages = await expectEqualToDatabase(rig.client, chatId, screen);
    expect(messages.map(textOf)).toEqual(["Count.", "Hello from the scripted provider."]);
    expectSoundStream(screen.events);

    rig.server.kill("SIGTERM");
    expect(await within("the server ends", rig.server.exited)).toEqual({ code: 0, signal: null });
    expect(await rig.postmaster()).toBeUndefined();
  });

  test("that is itself killed in mid-reply is started again, and the reply ends well", async (context) => {
    const rig = await rigOf(context, { embedded: true });
    const { chatId, screen, open } = await halfway(context, rig);
    const before = await rig.postmaster();
    process.kill(before?.pid ?? 0, "SIGKILL");
    open();
    await screen.until("the reply is whole", settled);
    const messages = await expectEqualToDatabase(rig.client, chatId, screen);
    expect(messages.map(textOf)).toEqual(["Count.", "One, two."]);
    expectSoundStream(screen.events);
    // The reply was not asked for a second time: only its commit waited.
    expect(rig.provider.requests).toHaveLength(1);
    expect((await rig.postmaster())?.pid).not.toBe(before?.pid);
    await eventually("it is ready again", async () => (await fetch(`${rig.server.url}/readyz`)).ok);
    await rig.client.sendMessage(chatId, { content: "Again." });
    await screen.until("the next turn is over", (t) => settled(t) && t.messages.length === 4);
  });
});
