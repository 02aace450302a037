import { applyEvent, emptyTranscript, type Client, type Transcript } from "@parley/client";
import type { ChatEvent } from "@parley/protocol";

export interface Followed {
  readonly events: readonly ChatEvent[];
  readonly transcript: Transcript;
}

export interface FollowOptions {
  readonly cursor?: string | undefined;
  readonly transport?: "websocket" | "sse";
  /** Where the fold goes on from. */
  readonly from?: Transcript;
  /** Looked at after every event; the following ends when it says so. */
  readonly until: (transcript: Transcript, event: ChatEvent) => boolean;
}

/** Reads a chat's stream, as a subscriber would, until `until`; the connection is made anew as often as it breaks. */
export async function follow(
  client: Client,
  chatId: string,
  options: FollowOptions,
): Promise<Followed> {
  const events: ChatEvent[] = [];
  let transcript = options.from ?? emptyTranscript;
  const { cursor, transport } = options;
  const subscription = client.subscribe(chatId, { cursor, ...(transport ? { transport } : {}) });
  for await (const event of subscription) {
    events.push(event);
    transcript = applyEvent(transcript, event);
    if (options.until(transcript, event)) break;
  }
  return { events, transcript };
}

/** The turn is over, and everything of it has been told. */
export function settled({ ready, status, preview }: Transcript): boolean {
  return ready && preview === null && status !== null && ended.has(status.status);
}

const ended = new Set(["waiting", "error", "requires_action"]);

/** What is on the screen of the reply that is being generated. */
export function previewText(transcript: Transcript): string {
  return (transcript.preview?.parts ?? [])
    .map((part) => (part.type === "text" ? part.text : ""))
    .join("");
}
