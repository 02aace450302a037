import {
  applyEvent,
  emptyTranscript,
  type Client,
  type Connection,
  type SubscribeOptions,
  type Transcript,
} from "@parley/client";
import type { ChatEvent, Message } from "@parley/protocol";
import { expect } from "vitest";
import { within } from "./eventually.ts";
import { previewText } from "./follow.ts";

/** One subscription for as long as the test lasts, through every reconnect, and what a person sees of it. */
export interface Onlooker {
  readonly events: readonly ChatEvent[];
  readonly transcript: Transcript;
  readonly connections: readonly Connection[];
  /** Resolves as soon as what is seen is like that. */
  until(
    what: string,
    is: (transcript: Transcript, events: readonly ChatEvent[]) => boolean,
  ): Promise<Transcript>;
  close(): Promise<void>;
}

export function onlooker(client: Client, chatId: string, options: SubscribeOptions = {}): Onlooker {
  const events: ChatEvent[] = [];
  const connections: Connection[] = [];
  const waiting = new Set<() => void>();
  let transcript = emptyTranscript;
  let failure: unknown;
  const look = (): void => {
    for (const each of waiting) each();
  };
  const subscription = client.subscribe(chatId, {
    ...options,
    onConnection: (connection) => {
      connections.push(connection);
      look();
    },
  });
  const reading = (async (): Promise<void> => {
    try {
      for await (const event of subscription) {
        events.push(event);
        transcript = applyEvent(transcript, event);
        look();
      }
    } catch (error) {
      failure = error;
      look();
    }
  })();
  return {
    events,
    connections,
    get transcript() {
      return transcript;
    },
    async until(what, is) {
      const { promise, resolve, reject } = Promise.withResolvers<Transcript>();
      const once = (): void => {
        if (failure !== undefined) reject(failure);
        else if (is(transcript, events)) resolve(transcript);
      };
      waiting.add(once);
      once();
      try {
        return await within(what, promise);
      } catch (error) {
        const { status, preview, error: shown, messages } = transcript;
        const seen = { status, shown, preview, messages: messages.length, last: events.slice(-5) };
        throw new Error(`${String(error)}; seen: ${JSON.stringify(seen, null, 1)}`, {
          cause: error,
        });
      } finally {
        waiting.delete(once);
      }
    },
    async close() {
      subscription.close();
      await reading;
    },
  };
}

/** How often everything had been told so far: once per connection. */
export function readies(events: readonly ChatEvent[]): number {
  return events.filter(({ type }) => type === "ready").length;
}

export function textOf(message: Pick<Message, "parts"> | undefined): string {
  return (message?.parts ?? []).map((part) => (part.type === "text" ? part.text : "")).join("");
}

/** What every stream must be, however often it broke: nothing doubled, nothing missed, nothing taken back. */
export function expectSoundStream(events: readonly ChatEvent[]): void {
  const revisions = new Map<number, number>();
  let episode = "";
  let seq = 0;
  for (const [at, event] of events.entries()) {
    if (event.type === "message") {
      const { id, revision } = event.data;
      expect(revision, `event ${at}: message ${id} is new or newer`).toBeGreaterThan(
        revisions.get(id) ?? 0,
      );
      revisions.set(id, revision);
    } else if (event.type === "message_part" || event.type === "preview_snapshot") {
      const { history_version, generation_attempt } = event.data;
      const named = `${history_version}/${generation_attempt}`;
      const last = named === episode ? seq : 0;
      if (event.type === "message_part")
        expect(event.data.seq, `event ${at}: the next part`).toBe(last + 1);
      else expect(event.data.seq, `event ${at}: a snapshot goes forward`).toBeGreaterThan(last);
      episode = named;
      seq = event.data.seq;
    }
  }
}

/** Text goes from the screen only when, in the same moment for a person, something stands in its place. */
export function expectNeverBlank(events: readonly ChatEvent[]): void {
  let before = emptyTranscript;
  for (const [at, event] of events.entries()) {
    const after = applyEvent(before, event);
    const vanished = previewText(before) !== "" && previewText(after) === "";
    if (vanished && event.type !== "message") {
      const next = events[at + 1]?.type ?? "the end";
      expect(
        ["message_part", "preview_snapshot", "message"],
        `after event ${at}, ${event.type}`,
      ).toContain(next);
    }
    before = after;
  }
}

/** The subscriber has what the database has. */
export async function expectEqualToDatabase(
  client: Client,
  chatId: string,
  { transcript }: Onlooker,
): Promise<readonly Message[]> {
  const { messages, queue } = await client.listMessages(chatId, { limit: 200 });
  expect(transcript.messages).toEqual(messages);
  expect(transcript.queue).toEqual(queue);
  expect(transcript.preview).toBeNull();
  expect(transcript.desync).toBe(false);
  return messages;
}
