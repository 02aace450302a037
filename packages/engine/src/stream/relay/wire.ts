import { livePartSchema, partSchema, type LivePart, type Part } from "@parley/protocol";
import { z } from "zod";
import type { EpisodeKey } from "../../parts/ports.ts";
import { RelayError } from "./errors.ts";

/**
 * A frame is a JSON array of messages, each an object with a `kind`. Replicas of adjacent versions understand each
 * other: what a later version adds (a kind, a field, a type of part) is passed over by an earlier one.
 */
export const protocolVersion = 1;

/**
 * The largest frame that is taken: a snapshot of a full episode, 1 MiB of content, which JSON may make six times as
 * long, and what stands around it.
 */
export const frameBytesMax = 16 * 1024 * 1024;

const workerId = z.string().min(1).max(100);
const stream = z.int().positive();
const seq = z.int().positive();

const schemas = {
  hello: z.object({
    kind: z.literal("hello"),
    protocol_version: z.int().positive(),
    worker_id: workerId,
    /** Of the side that was dialled: that it knows the secret, too. */
    proof: z.string().max(100).optional(),
  }),
  /** `stream` is the asking side's name for it; not used again on this link while it is followed. */
  follow: z.object({
    kind: z.literal("follow"),
    stream,
    chat_id: z.string().min(1).max(100),
    history_version: z.int().nonnegative(),
    generation_attempt: z.int().nonnegative(),
    from_seq: seq,
  }),
  unfollow: z.object({ kind: z.literal("unfollow"), stream }),
  parts: z.object({
    kind: z.literal("parts"),
    stream,
    first_seq: seq,
    parts: z.array(z.unknown().transform(livePartOf)).min(1),
  }),
  snapshot: z.object({
    kind: z.literal("snapshot"),
    stream,
    seq,
    parts: z.array(z.unknown().transform(partOf)),
    truncated: z.boolean(),
  }),
  closed: z.object({ kind: z.literal("closed"), stream }),
  keep_alive: z.object({ kind: z.literal("keep_alive") }),
} as const;

type Kind = keyof typeof schemas;
export type RelayMessage = { [K in Kind]: z.output<(typeof schemas)[K]> }[Kind];
export type HelloMessage = Extract<RelayMessage, { kind: "hello" }>;

const frameSchema = z.array(z.looseObject({ kind: z.string() }));

/** @throws RelayError `relay_protocol` */
export function decodeFrame(text: string): RelayMessage[] {
  try {
    const frame: unknown = JSON.parse(text);
    const usual = usualFrameOf(frame);
    if (usual !== null) return usual;
    return frameSchema.parse(frame).flatMap((message): RelayMessage[] => {
      // `Object.hasOwn`: "constructor" is no kind.
      if (!Object.hasOwn(schemas, message.kind)) return [];
      return [schemas[message.kind as Kind].parse(message)];
    });
  } catch (cause) {
    // What was sent stays out of the error: it is somebody's conversation.
    throw new RelayError("relay_protocol", `The frame makes no sense: ${kindOf(cause)}.`);
  }
}

/** The version of the other side is ours or next to it. @throws RelayError `relay_version` */
export function assertVersion({ protocol_version: theirs }: HelloMessage): void {
  if (Math.abs(theirs - protocolVersion) <= 1) return;
  throw new RelayError(
    "relay_version",
    `The peer speaks version ${theirs}, not ${protocolVersion}.`,
  );
}

export function encodeMessage(message: RelayMessage): string {
  return JSON.stringify(message);
}

export function encodeFollow(streamId: number, key: EpisodeKey, fromSeq: number): string {
  const { chat_id, history_version, generation_attempt } = key;
  return encodeMessage({
    kind: "follow",
    stream: streamId,
    chat_id,
    history_version,
    generation_attempt,
    from_seq: fromSeq,
  });
}

/** `parts`: JSON of live parts that follow each other, with commas between them. */
export function encodeParts(streamId: number, firstSeq: number, parts: string): string {
  return `{"kind":"parts","stream":${streamId},"first_seq":${firstSeq},"parts":[${parts}]}`;
}

export function encodeFrame(messages: readonly string[]): string {
  return `[${messages.join(",")}]`;
}

const livePartTypes: Readonly<Record<LivePart["type"], true>> = {
  text: true,
  reasoning: true,
  "tool-call": true,
  "tool-result": true,
  source: true,
  file: true,
  custom: true,
  "structured-output": true,
  "tool-progress": true,
  truncated: true,
};

function livePartOf(value: unknown, context: z.RefinementCtx): LivePart {
  if (isTextDelta(value)) return value;
  const parsed = livePartSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const later = laterSchema.safeParse(value);
  if (!later.success) return refuse(context);
  // A type of a later version that takes a place is folded like any whole part. One that takes none cannot be shown,
  // but it has a seq.
  if (later.data.index !== undefined) return later.data as unknown as LivePart;
  return { type: "tool-progress", tool_call_id: "", progress: null };
}

/** Nothing but deltas of text, as nearly every frame is: read in a tenth of the time. Null: it is for the schemas. */
function usualFrameOf(frame: unknown): RelayMessage[] | null {
  if (!Array.isArray(frame)) return null;
  for (const message of frame as unknown[]) if (!isUsualParts(message)) return null;
  return frame as RelayMessage[];
}

function isUsualParts(message: unknown): message is RelayMessage {
  if (typeof message !== "object" || message === null) return false;
  const { kind, stream: streamId, first_seq, parts } = message as Record<string, unknown>;
  if (kind !== "parts" || !Array.isArray(parts) || parts.length === 0) return false;
  if (!isCount(streamId) || !isCount(first_seq)) return false;
  for (const part of parts as unknown[]) if (!isTextDelta(part)) return false;
  return true;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/**
 * A delta of text and nothing else. Nearly everything is this, and is taken as it is; the general schema costs several
 * times as much, and takes off what a later version has added.
 */
function isTextDelta(value: unknown): value is LivePart {
  if (typeof value !== "object" || value === null) return false;
  const { type, index, delta } = value as Record<string, unknown>;
  if (type !== "text" && type !== "reasoning") return false;
  if (typeof delta !== "string" || !Number.isSafeInteger(index) || (index as number) < 0)
    return false;
  let fields = 0;
  for (const _ in value) fields += 1;
  return fields === deltaFields;
}

/** Its type, its index and its text. */
const deltaFields = 3;

function partOf(value: unknown, context: z.RefinementCtx): Part {
  const parsed = partSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const later = laterSchema.safeParse(value);
  return later.success ? (later.data as unknown as Part) : refuse(context);
}

const laterSchema = z
  .looseObject({ type: z.string(), index: z.int().nonnegative().optional() })
  .refine(({ type }) => !Object.hasOwn(livePartTypes, type));

function refuse(context: z.RefinementCtx): never {
  context.addIssue({ code: "custom", message: "no part" });
  return z.NEVER;
}

function kindOf(cause: unknown): string {
  if (cause instanceof SyntaxError) return "no JSON";
  if (!(cause instanceof z.ZodError)) return "too deep";
  const [issue] = cause.issues;
  return issue === undefined ? "invalid" : `${issue.code} at ${issue.path.join(".")}`;
}
