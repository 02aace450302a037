import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import type { FilePart, LivePart, Part, ProviderMetadata } from "@parley/protocol";
import type { Random } from "../lib/random.ts";
import { StorableStream, storableJson, storableText } from "../lib/storable.ts";
import { callPart, carriesMore, mergeMetadata, metadataOf } from "./reply-parts.ts";

/** Text or reasoning that is still arriving. */
interface OpenText {
  type: "text" | "reasoning";
  /** Null until the first content. */
  index: number | null;
  text: string;
  stream: StorableStream;
  metadata: ProviderMetadata | undefined;
}

/** Arguments that are still arriving. */
interface OpenInput {
  providerId: string;
  toolName: string;
  providerExecuted: boolean;
  /** Null until the first content. */
  place: { index: number; id: string } | null;
  text: string;
  stream: StorableStream;
}

type StreamPart = LanguageModelV4StreamPart;
type Of<T extends StreamPart["type"]> = Extract<StreamPart, { type: T }>;

/** Bookkeeping that the adapter wraps as content. */
const bookkeepingKinds: ReadonlySet<string> = new Set(["anthropic.message_start"]);

/**
 * Turns one call's stream parts into live parts and the committed parts. The fold of the former is the latter, always:
 * both are written here and nowhere else.
 */
export class ReplyBuilder {
  readonly #parts: Part[] = [];
  readonly #texts = new Map<string, OpenText>();
  #inputs: OpenInput[] = [];
  readonly #usedIds: Set<string>;
  /** A provider's call id to ours, for the results that it sends itself. */
  readonly #ids = new Map<string, string>();
  readonly #random: Pick<Random, "uuid">;
  readonly #onPart: (live: LivePart) => void;
  /** Stream parts of a type that is not known. */
  skipped = 0;

  constructor(
    usedCallIds: ReadonlySet<string>,
    random: Pick<Random, "uuid">,
    onPart: (live: LivePart) => void,
  ) {
    this.#usedIds = new Set(usedCallIds);
    this.#random = random;
    this.#onPart = onPart;
  }

  /** Takes content; the ends of a stream (`finish`, `error`) are the caller's. */
  add(part: StreamPart): void {
    switch (part.type) {
      case "text-start":
      case "reasoning-start":
        return this.#startText(part.type === "text-start" ? "text" : "reasoning", part);
      case "text-delta":
      case "reasoning-delta":
        return this.#addText(part.type === "text-delta" ? "text" : "reasoning", part);
      case "text-end":
      case "reasoning-end":
        return this.#endText(part.type === "text-end" ? "text" : "reasoning", part);
      case "tool-input-start":
        return this.#startInput(part);
      case "tool-input-delta":
        return this.#addInput(part);
      case "tool-call":
        return this.#addCall(part);
      case "tool-result":
        return this.#addResult(part);
      case "source":
        return this.#addSource(part);
      case "file":
      case "reasoning-file":
        return this.#addFile(part);
      case "custom":
        if (bookkeepingKinds.has(part.kind)) return;
        return this.#whole({ type: "custom", kind: part.kind, ...metadataOf(part) });
      case "tool-input-end":
      case "stream-start":
      case "response-metadata":
      case "finish":
      case "error":
      case "raw":
      case "ping":
        return;
      default:
        this.skipped += 1;
    }
  }

  /** Ends what is still open, and gives the committed parts. */
  end(): Part[] {
    for (const key of this.#texts.keys()) this.#closeText(key);
    for (const input of this.#inputs) {
      if (input.place !== null) {
        const text = input.text + input.stream.end();
        this.#put(input.place.index, callPart(input.place.id, input, text, {}));
      }
    }
    this.#inputs = [];
    return this.#parts;
  }

  #startText(
    type: OpenText["type"],
    { id, providerMetadata }: Of<"text-start" | "reasoning-start">,
  ): void {
    const key = `${type} ${id}`;
    this.#closeText(key);
    const metadata = mergeMetadata(undefined, providerMetadata);
    this.#texts.set(key, { type, index: null, text: "", stream: new StorableStream(), metadata });
  }

  #addText(type: OpenText["type"], part: Of<"text-delta" | "reasoning-delta">): void {
    const key = `${type} ${part.id}`;
    // Liberal: a delta without its start is content all the same.
    if (!this.#texts.has(key)) this.#startText(type, { type: "text-start", id: part.id });
    const open = this.#texts.get(key);
    if (open === undefined) return;
    open.metadata = mergeMetadata(open.metadata, part.providerMetadata);
    const delta = open.stream.push(part.delta);
    if (delta === "") return;
    open.text += delta;
    open.index ??= this.#parts.push({ type, text: "" }) - 1;
    const live = { index: open.index, delta };
    this.#onPart(type === "text" ? { type, ...live } : { type, ...live });
  }

  #endText(type: OpenText["type"], part: Of<"text-end" | "reasoning-end">): void {
    const key = `${type} ${part.id}`;
    const open = this.#texts.get(key);
    if (open === undefined) return;
    open.metadata = mergeMetadata(open.metadata, part.providerMetadata);
    this.#closeText(key);
  }

  #closeText(key: string): void {
    const open = this.#texts.get(key);
    if (open === undefined) return;
    this.#texts.delete(key);
    const { type, metadata } = open;
    const text = open.text + open.stream.end();
    const hasContent = text !== "" || (type === "reasoning" && carriesMore(metadata));
    if (!hasContent) return;
    open.index ??= this.#parts.push({ type, text: "" }) - 1;
    this.#put(open.index, {
      type,
      text,
      ...(metadata === undefined ? {} : { provider_metadata: metadata }),
    });
  }

  #startInput({ id, toolName, providerExecuted }: Of<"tool-input-start">): void {
    this.#inputs.push({
      providerId: id,
      toolName: storableText(toolName),
      providerExecuted: providerExecuted === true,
      place: null,
      text: "",
      stream: new StorableStream(),
    });
  }

  #addInput({ id, delta }: Of<"tool-input-delta">): void {
    // Two calls may wrongly share an id: what comes belongs to the one that was opened last.
    const input = this.#inputs.findLast(({ providerId }) => providerId === id);
    if (input === undefined) {
      this.skipped += 1;
      return;
    }
    const input_delta = input.stream.push(delta);
    if (input_delta === "") return;
    input.text += input_delta;
    input.place ??= this.#placeCall(id, input.toolName);
    const { index, id: tool_call_id } = input.place;
    this.#onPart({
      type: "tool-call",
      index,
      tool_call_id,
      tool_name: input.toolName,
      input_delta,
    });
  }

  #addCall(part: Of<"tool-call">): void {
    const tool_name = storableText(part.toolName);
    const sameId = this.#inputs.filter(({ providerId }) => providerId === part.toolCallId);
    const input = sameId.find(({ toolName }) => toolName === tool_name) ?? sameId[0];
    if (input !== undefined) this.#inputs = this.#inputs.filter((other) => other !== input);
    const place = input?.place ?? this.#placeCall(part.toolCallId, tool_name);
    const call = {
      toolName: tool_name,
      providerExecuted: part.providerExecuted ?? input?.providerExecuted ?? false,
    };
    this.#put(place.index, callPart(place.id, call, part.input, metadataOf(part)));
  }

  #placeCall(providerId: string, tool_name: string): { index: number; id: string } {
    const id = this.#callId(providerId);
    const index =
      this.#parts.push(callPart(id, { toolName: tool_name, providerExecuted: false }, "", {})) - 1;
    return { index, id };
  }

  #callId(providerId: string): string {
    let id = storableText(providerId).trim();
    if (id === "" || this.#usedIds.has(id)) id = `call_${this.#random.uuid().replaceAll("-", "")}`;
    this.#usedIds.add(id);
    this.#ids.set(providerId, id);
    return id;
  }

  #addResult(part: Of<"tool-result">): void {
    // A preliminary result is followed by the final one.
    if (part.preliminary === true) return;
    this.#whole({
      type: "tool-result",
      tool_call_id: this.#ids.get(part.toolCallId) ?? storableText(part.toolCallId),
      tool_name: storableText(part.toolName),
      output: storableJson(part.result),
      is_error: part.isError === true,
      provider_executed: true,
      ...metadataOf(part),
    });
  }

  #addSource(part: Of<"source">): void {
    const common = { type: "source", id: storableText(part.id), ...metadataOf(part) } as const;
    const title = part.title === undefined ? {} : { title: storableText(part.title) };
    if (part.sourceType === "url") {
      this.#whole({ ...common, source_type: "url", url: storableText(part.url), ...title });
      return;
    }
    const { mediaType, filename } = part;
    const name = filename === undefined ? {} : { filename: storableText(filename) };
    this.#whole({ ...common, source_type: "document", media_type: mediaType, ...title, ...name });
  }

  #addFile(part: Of<"file" | "reasoning-file">): void {
    const { data } = part;
    const content: Pick<FilePart, "data" | "url"> =
      data.type === "url"
        ? { url: String(data.url) }
        : {
            data:
              typeof data.data === "string"
                ? data.data
                : Buffer.from(
                    data.data.buffer,
                    data.data.byteOffset,
                    data.data.byteLength,
                  ).toString("base64"),
          };
    this.#whole({
      type: "file",
      media_type: storableText(part.mediaType || "application/octet-stream").slice(0, 255),
      ...content,
      ...(part.type === "reasoning-file" ? { reasoning: true as const } : {}),
      ...metadataOf(part),
    });
  }

  #whole(part: Part): void {
    this.#put(this.#parts.length, part);
  }

  #put(index: number, part: Part): void {
    this.#parts[index] = part;
    this.#onPart({ ...part, index });
  }
}
