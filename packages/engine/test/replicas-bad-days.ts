import type { TestContext } from "vitest";
import { expect } from "vitest";
import { seededRandom } from "../src/lib/random.ts";
import { previewText, settled } from "./follow.ts";
import { expectEqualToDatabase, onlooker, textOf, type Onlooker } from "./onlooker.ts";
import { gate, startProviderServer, textScript, type ProviderServer } from "./provider-server.ts";
import { startFleet, type Fleet, type FleetOptions } from "./storm/fleet.ts";

/** Two replicas as processes, a reply that one of them is generating, and a subscriber at each. */
export interface BadDay {
  readonly fleet: Fleet;
  readonly provider: ProviderServer;
  readonly chatId: string;
  /** At the replica that drives the chat, and at the other one. */
  readonly screens: readonly [Onlooker, Onlooker];
  /** Lets the next piece of the reply come. */
  next(): void;
}

const wire = "openai-chat";
const pieces = ["before, ", "while it is bad, ", "and after."];

export async function badDay(
  context: TestContext,
  options: Partial<FleetOptions> = {},
): Promise<BadDay> {
  const provider = await startProviderServer();
  context.onTestFinished(async () => await provider.close());
  const fleet = await startFleet({
    size: 2,
    random: seededRandom(1),
    seed: "bad day",
    providerPort: provider.port,
    ...options,
  });
  context.onTestFinished(async () => await fleet.close());
  const gates = [gate(), gate()];
  provider.enqueue(wire, textScript(wire, pieces, { 1: gates[0]!.promise, 2: gates[1]!.promise }));
  const [owner, other] = fleet.members;
  const model = "openai-chat/scripted";
  const { chat } = await owner!.client.createChat({ content: "Go.", model });
  const screens = [onlooker(owner!.client, chat.id), onlooker(other!.client, chat.id)] as const;
  context.onTestFinished(async () => void (await Promise.all(screens.map((s) => s.close()))));
  for (const screen of screens) {
    // oxlint-disable-next-line no-await-in-loop
    await screen.until("the first piece", (t) => previewText(t) === pieces[0]);
  }
  const waiting = [...gates];
  return { fleet, provider, chatId: chat.id, screens, next: () => waiting.shift()?.open() };
}

/** The reply has ended as it should, without being asked for again, and the chat goes on by way of either replica. */
export async function expectWell({ fleet, provider, chatId, screens }: BadDay): Promise<void> {
  const [owner, other] = fleet.members;
  for (const screen of screens) {
    // oxlint-disable-next-line no-await-in-loop
    await screen.until("the reply is whole", (t) => settled(t) && t.messages.length === 2);
  }
  expect(provider.requests).toHaveLength(1);
  let length = 2;
  for (const member of [other!, owner!]) {
    length += 2;
    // oxlint-disable-next-line no-await-in-loop
    await fleet.anywhere(() => member.client.sendMessage(chatId, { content: "And now?" }));
    for (const screen of screens) {
      // oxlint-disable-next-line no-await-in-loop
      await screen.until(
        "the next turn is over",
        (t) => settled(t) && t.messages.length === length,
      );
      // oxlint-disable-next-line no-await-in-loop
      const messages = await expectEqualToDatabase(member.client, chatId, screen);
      expect(textOf(messages[1])).toBe(pieces.join(""));
      expect(messages[1]?.finish_reason).toBe("stop");
    }
  }
}
