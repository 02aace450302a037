/** How a provider frames its stream. */
export type Wire = "openai-chat" | "openai-responses" | "anthropic" | "google";

/** An event that never ends is no event. Files that a model draws come as one event of some megabytes. */
const eventCharsMax = 64 * 1024 * 1024;

export class EventTooLong extends Error {
  readonly code = "stream_cut";

  constructor() {
    super("The provider sent an event without an end.");
    this.name = "EventTooLong";
  }
}

interface Looked {
  keep: boolean;
  /** Nothing of the reply comes after it. */
  last?: boolean;
  /** It only says that the connection is alive. */
  keepAlive?: boolean;
}

/**
 * Looks at a provider's server-sent events on their way to the adapter. Adapters throw at events that were invented
 * after them: those are taken out and counted. It also sees the end, so that a server that keeps the connection open
 * after it does not hold up the reply.
 */
export class EventFilter {
  readonly #wire: Wire;
  readonly #onEvent: () => void;
  #rest = "";
  /** Content blocks (Anthropic) of an unknown type: their deltas go with them. */
  readonly #droppedBlocks = new Set<number>();
  #hasFinishReason = false;
  /** Events of a type that is not known. */
  skipped = 0;
  /** The event that ends the reply was seen. */
  ended = false;

  constructor(wire: Wire, onEvent: () => void) {
    this.#wire = wire;
    this.#onEvent = onEvent;
  }

  /** The whole events that are to be passed on. */
  push(text: string): string {
    this.#rest += text;
    let out = "";
    let from = 0;
    const boundary = /\r\n\r\n|\n\n|\r\r/g;
    for (;;) {
      boundary.lastIndex = from;
      const found = boundary.exec(this.#rest);
      if (found === null || this.ended) break;
      out += this.#look(this.#rest.slice(from, found.index));
      from = found.index + found[0].length;
    }
    this.#rest = this.#rest.slice(from);
    if (this.#rest.length > eventCharsMax) throw new EventTooLong();
    return out;
  }

  /** What is left when the connection ends: an event that lacks only its blank line is one. */
  end(): string {
    const rest = this.#rest;
    this.#rest = "";
    return rest.trim() === "" || this.ended ? "" : this.#look(rest);
  }

  #look(block: string): string {
    const data = dataOf(block);
    if (data === null) return "";
    const looked = this.#judge(data);
    if (looked.keepAlive !== true) this.#onEvent();
    if (looked.last === true) this.ended = true;
    if (looked.keep)
      return `${this.#addMissingEnd(data)}data: ${data.replaceAll("\n", "\ndata: ")}\n\n`;
    this.skipped += 1;
    return "";
  }

  /** Some servers say that they are done and never why. */
  #addMissingEnd(data: string): string {
    if (this.#wire !== "openai-chat") return "";
    this.#hasFinishReason ||= /"finish_reason"\s*:\s*"/.test(data) || data.includes('"error"');
    if (data !== "[DONE]" || this.#hasFinishReason) return "";
    return 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
  }

  #judge(data: string): Looked {
    switch (this.#wire) {
      case "openai-chat":
        if (data === "[DONE]") return { keep: true, last: true };
        // What is no JSON at all is not an unknown event but a broken stream: the adapter shall say so.
        return { keep: /"(choices|error)"\s*:/.test(data) || parsed(data) === null };
      case "openai-responses":
        if (data === "[DONE]") return { keep: true, last: true };
        return this.#judgeResponses(typeOf(data));
      case "anthropic":
        return this.#judgeAnthropic(typeOf(data), data);
      case "google":
        return { keep: data !== "[DONE]" };
    }
  }

  #judgeResponses(type: string): Looked {
    // The adapter ignores types that it does not know, so they only have to be counted.
    if (type !== "" && !isResponsesType(type)) this.skipped += 1;
    return {
      keep: true,
      last: /^response\.(completed|incomplete|failed)$/.test(type),
      keepAlive: type === "keepalive",
    };
  }

  #judgeAnthropic(type: string, data: string): Looked {
    switch (type) {
      case "ping":
        return { keep: true, keepAlive: true };
      case "content_block_start": {
        const start = parsed(data);
        const isKnown = anthropicBlocks.has(start?.content_block?.type ?? "");
        if (!isKnown && start?.index !== undefined) this.#droppedBlocks.add(start.index);
        return { keep: isKnown };
      }
      case "content_block_delta": {
        if (this.#droppedBlocks.size > 0 && this.#isDropped(data)) return { keep: false };
        const delta = /"delta"\s*:\s*\{\s*"type"\s*:\s*"([^"]*)"/.exec(data)?.[1];
        return { keep: delta === undefined || anthropicDeltas.has(delta) };
      }
      case "content_block_stop":
        return { keep: !this.#isDropped(data) };
      case "message_stop":
        return { keep: true, last: true };
      case "message_start":
      case "message_delta":
      case "error":
        return { keep: true };
      default:
        return { keep: type === "" && parsed(data) === null };
    }
  }

  #isDropped(data: string): boolean {
    const { index } = parsed(data) ?? {};
    return index !== undefined && this.#droppedBlocks.has(index);
  }
}

const anthropicBlocks: ReadonlySet<string> = new Set([
  "text",
  "thinking",
  "redacted_thinking",
  "tool_use",
  "server_tool_use",
  "mcp_tool_use",
  "mcp_tool_result",
  "web_fetch_tool_result",
  "web_search_tool_result",
  "code_execution_tool_result",
  "bash_code_execution_tool_result",
  "text_editor_code_execution_tool_result",
  "tool_search_tool_result",
  "advisor_tool_result",
  "compaction",
  "fallback",
]);

const anthropicDeltas: ReadonlySet<string> = new Set([
  "text_delta",
  "input_json_delta",
  "thinking_delta",
  "signature_delta",
  "citations_delta",
  "compaction_delta",
]);

const responsesTypes: ReadonlySet<string> = new Set(["error", "keepalive"]);

function isResponsesType(type: string): boolean {
  return (
    responsesTypes.has(type) ||
    /^response\.(created|queued|in_progress|completed|incomplete|failed|output_item\.(added|done)|content_part\.(added|done)|output_text\.(delta|done|annotation\.added)|refusal\.(delta|done)|reasoning(_summary)?_(text|part)\.(added|delta|done)|(function_call|mcp_call)_arguments\.(delta|done)|custom_tool_call_input\.(delta|done)|mcp_(call|list_tools)\.\w+|(web_search|file_search|image_generation|code_interpreter)_call\.\w+|code_interpreter_call_code\.(delta|done)|apply_patch_call_operation_diff\.(delta|done)|audio\.\w+|audio\.transcript\.\w+)$/.test(
      type,
    )
  );
}

/** Null for a block without data: a comment, a bare event name. */
function dataOf(block: string): string | null {
  let data: string | null = null;
  for (const line of block.split(/\r\n|\n|\r/)) {
    if (!line.startsWith("data:")) continue;
    const value = line.slice(line.charAt(5) === " " ? 6 : 5);
    data = data === null ? value : `${data}\n${value}`;
  }
  return data === null || data.trim() === "" ? null : data.trim();
}

/** Without parsing where it stands first, as it does with every provider so far. */
function typeOf(data: string): string {
  const quick = /^\{\s*"type"\s*:\s*"([^"\\]*)"/.exec(data)?.[1];
  if (quick !== undefined) return quick;
  const { type } = parsed(data) ?? {};
  return typeof type === "string" ? type : "";
}

/** The fields that are looked at, of whatever JSON object this is. */
interface Event {
  type?: unknown;
  index?: number;
  content_block?: { type?: string };
}

function parsed(text: string): Event | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}
