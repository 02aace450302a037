import { expect, test } from "vitest";
import { previewText } from "./follow.ts";
import { expectSoundStream, readies } from "./onlooker.ts";
import { startNatsServer } from "./nats-server.ts";
import { badDay, expectWell } from "./replicas-bad-days.ts";
import { eventually } from "./eventually.ts";

/** Replicas whose bus is a NATS server that goes away. */

test("the bus server goes away for a while: live text goes on, commits are found by the poll, and it is found again", async (context) => {
  const nats = await startNatsServer();
  context.onTestFinished(async () => await nats.stop());
  const day = await badDay(context, { env: { PARLEY_NATS_URL: nats.url } });
  const { fleet, screens, next } = day;
  await nats.goAway();
  for (const member of fleet.members) {
    await eventually("the loss is noticed", () =>
      member.output().includes("the bus lost its connection"),
    );
  }
  next();
  // The link between the two has nothing to do with the bus.
  for (const screen of screens) {
    await screen.until("the piece said meanwhile", (t) => previewText(t).endsWith("bad, "));
  }
  next();
  // Without the bus: the reply's commit reaches the other replica by its poll.
  await expectWell(day);
  await nats.comeBack();
  const [owner] = fleet.members;
  await eventually("what one says the other shows at once, long before its poll", async () => {
    const { messages } = await owner!.client.sendMessage(day.chatId, { content: "Still there?" });
    const asked = performance.now();
    const last = messages.at(-1)?.id ?? 0;
    await screens[1].until("the message", (t) => (t.messages.at(-1)?.id ?? 0) >= last);
    return performance.now() - asked < 1_000;
  });
  for (const screen of screens) {
    expectSoundStream(screen.events);
    expect(readies(screen.events)).toBe(1);
  }
});
