import type { Client, Transcript } from "@parley/client";
import type { Rng } from "../../rng.ts";
import type { Device } from "../device.ts";

/** A file that somebody has uploaded, as he knows it. */
export interface OwnFile {
  readonly id: string;
  readonly bytes: Buffer;
  readonly name: string;
}

/** What checkers hear of what users did, beyond that they did it. */
export interface Told {
  /** A message was taken: it is in the history or in the queue. */
  acknowledged(clientId: string): void;
  /** A message was taken again, by the same name. */
  repeated(clientId: string, ids: string, sameBody: boolean): void;
  uploaded(file: OwnFile, said: { readonly sha256: string; readonly size_bytes: number }): void;
  /** What a file's address gave. `bytes` where it was the file. */
  downloaded(file: OwnFile, status: number, bytes: Buffer | null): void;
  /** A usage report. */
  usage(chatId: string, tokens: number, usdMicros: number): void;
}

/** One thing that somebody does to one of his chats. */
export interface Doing {
  readonly client: Client;
  readonly device: Device;
  /** Another device of the same person. */
  readonly other: Device;
  readonly ownerId: string;
  readonly chatId: string;
  /** What he sees of the chat, where he looks at it. */
  readonly seen: Transcript | undefined;
  readonly rng: Rng;
  readonly files: OwnFile[];
  readonly told: Told;
  /** One of several calls was refused or had no answer. */
  readonly failed: (error: unknown) => void;
  /** A name for something new: a message, a call. */
  readonly next: () => string;
}

/** Gives what came of it. Null: there was nothing to do it with. */
export type Act = (it: Doing) => Promise<string | null>;

export function contentOf(id: string, rng: Rng): string {
  return rng.chance(0.05) ? `${id} ${"long ".repeat(rng.int(100, 2_000))}` : `${id} says`;
}

/** Which rows a message became, in one line. */
export function placeOf({
  messages,
  queued,
}: {
  readonly messages: readonly { readonly id: number; readonly role: string }[];
  readonly queued: { readonly id: number } | null;
}): string {
  return JSON.stringify([messages.map(({ id }) => id), queued?.id ?? null]);
}
