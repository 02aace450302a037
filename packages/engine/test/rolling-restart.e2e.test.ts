import { expect, test } from "vitest";
import { seededRandom } from "../src/lib/random.ts";
import { eventually } from "./eventually.ts";
import { settled } from "./follow.ts";
import {
  expectEqualToDatabase,
  expectNeverBlank,
  expectSoundStream,
  onlooker,
  textOf,
  type Onlooker,
} from "./onlooker.ts";
import { startProviderServer, textScript, type Step } from "./provider-server.ts";
import { inMs, print, quantiles } from "./storm/figures.ts";
import { startFleet } from "./storm/fleet.ts";
import { tagOf, tagsIn } from "./storm/tags.ts";

/**
 * A new version is rolled out: all replicas are told to end, one after the other, while replies are coming. People see
 * nothing of it but a reconnect, and of a step longer than the grace that its text begins anew.
 */

const graceSeconds = 6;
const shortChats = 12;
const longChats = 4;
const turnsEach = 4;

/** Replies of about a second; those that are asked for more take until after the grace, the first time, on any machine. */
const isLong = (tag: string): boolean => tag.startsWith("T9");

test("a rolling restart of all replicas under load is invisible but for reconnects and the previews of steps longer than the grace", async (context) => {
  const calls = new Map<string, number>();
  // What is short comes to its end at once while a replica drains: it ends within the grace also on a machine that is late.
  const draining = { yes: false };
  const provider = await startProviderServer({
    openaiChat({ body }) {
      const tag = tagsIn(JSON.stringify(body["messages"])).at(-1) ?? "";
      const before = calls.get(tag) ?? 0;
      calls.set(tag, before + 1);
      const long = isLong(tag) && before === 0;
      const pieces = long ? 150 : 20;
      const words = Array.from({ length: pieces }, (_, n) => `${n} `);
      return paced(textScript("openai-chat", [`Re ${tag} | `, ...words]), () =>
        draining.yes && !long ? 0 : 60,
      );
    },
  });
  context.onTestFinished(async () => await provider.close());
  const fleet = await startFleet({
    size: 3,
    random: seededRandom("rolling"),
    seed: "rolling",
    providerPort: provider.port,
    env: { PARLEY_DRAIN_GRACE_SECONDS: String(graceSeconds) },
  });
  context.onTestFinished(async () => await fleet.close());
  const model = "openai-chat/scripted";
  const over = { yes: false };

  const live = async (
    n: number,
    long: boolean,
  ): Promise<{ chatId: string; screen: Onlooker; tags: string[] }> => {
    const first = tagOf(long ? 900 + n : n, 0, false);
    const member = fleet.members[n % fleet.members.length]!;
    const { chat } = await fleet.anywhere((client) =>
      client.createChat({ content: first, model, client_id: `${first}-0000` }),
    );
    // As a load balancer would: this connection is made anew at the same address, once that serves again.
    const screen = onlooker(member.client, chat.id);
    context.onTestFinished(async () => await screen.close());
    const tags = [first];
    /* oxlint-disable no-await-in-loop */
    while (!over.yes || tags.length < turnsEach) {
      await screen.until(
        "the turn is over",
        (t) => settled(t) && t.messages.length === 2 * tags.length,
      );
      const tag = tagOf(long ? 900 + n : n, tags.length, false);
      await fleet.anywhere((client) =>
        client.sendMessage(chat.id, { content: tag, client_id: `${tag}-0000` }),
      );
      tags.push(tag);
    }
    /* oxlint-enable no-await-in-loop */
    await screen.until("the end", (t) => settled(t) && t.messages.length === 2 * tags.length);
    return { chatId: chat.id, screen, tags };
  };

  const lives = [
    ...Array.from({ length: shortChats }, async (_, n) => await live(n, false)),
    ...Array.from({ length: longChats }, async (_, n) => await live(n, true)),
  ];
  const all = Promise.all(lives);
  const drains: number[] = [];
  for (const member of fleet.members) {
    // oxlint-disable-next-line no-await-in-loop
    await eventually("replies are coming", () => provider.requests.length > 2 * shortChats);
    const from = performance.now();
    // oxlint-disable-next-line no-await-in-loop
    draining.yes = true;
    // oxlint-disable-next-line no-await-in-loop
    expect(await member.end("SIGTERM")).toBe(0);
    draining.yes = false;
    // oxlint-disable-next-line no-await-in-loop
    await member.start();
    drains.push(performance.now() - from);
  }
  over.yes = true;
  const ended = await all;

  let superseded = 0;
  let connections = 0;
  for (const { chatId, screen, tags } of ended) {
    // oxlint-disable-next-line no-await-in-loop
    const messages = await expectEqualToDatabase(fleet.any().client, chatId, screen);
    expect(messages.filter(({ role }) => role === "user").map(textOf)).toEqual(tags);
    // Each was answered once, whole, in its place.
    for (const [i, tag] of tags.entries()) {
      const reply = messages[2 * i + 1];
      expect(textOf(reply)).toContain(`Re ${tag} |`);
      expect(reply?.finish_reason).toBe("stop");
    }
    expectSoundStream(screen.events);
    expectNeverBlank(screen.events);
    expect(screen.events.filter(({ type }) => type === "error")).toEqual([]);
    expect(screen.events.filter(({ type }) => type === "history_reset")).toHaveLength(1);
    const resets = screen.events.filter(({ type }) => type === "preview_reset");
    // Only a step longer than the grace is begun again.
    if (!tags.some(isLong)) expect(resets).toEqual([]);
    superseded += resets.length;
    connections += screen.connections.filter(({ phase }) => phase === "open").length;
  }
  const again = [...calls].filter(([, n]) => n > 1);
  for (const [tag] of again) expect(isLong(tag)).toBe(true);
  const { takeovers } = await fleet.counted();
  expect(takeovers).toBe(0);
  print(`rolling restart of 3 replicas, grace ${graceSeconds} s`, {
    "replies committed": ended.reduce((n, { tags }) => n + tags.length, 0),
    "steps begun again": again.length,
    "previews superseded": superseded,
    "connections of screens": `${connections} (${ended.length} screens)`,
    "a replica's restart": inMs(quantiles(drains)),
  });
});

function paced(script: readonly Step[], pieceMs: () => number): Step[] {
  const pause = (): Step => ({
    get gate() {
      return new Promise((resolve) => setTimeout(resolve, pieceMs()));
    },
  });
  return script.flatMap((step) => [pause(), step]);
}
