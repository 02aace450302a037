import type { FilePart, Part } from "@parley/protocol";
import type { MessageRow } from "../../domain/rows.ts";
import { outputText } from "../../domain/tool-output.ts";
import { cutText } from "../../tools/cut-output.ts";

type Entry = Pick<MessageRow, "id" | "role" | "parts" | "is_boundary">;

/** Of results and arguments that much is kept, the less the less room there is: they are what a context is filled with. */
const outputBytesSteps = [16_384, 4_096, 1_024, 256] as const;

/** What stands before the newest messages in a conversation of which the oldest do not fit. */
const summaryShareMax = 1 / 4;
/** No single message may crowd out the others. */
const messageShareMax = 1 / 3;

interface Block {
  readonly head: string;
  readonly body: string;
}

/**
 * A context as text, for the model that summarises it: no tool calls that a provider would want to see declared, no
 * files that it might refuse, and cut to what it can take. Results and arguments are cut first, then single messages,
 * then the oldest messages are left out; the summary of what came before stays.
 */
export function conversationText(
  context: readonly Entry[],
  bytesMax: number,
  open: ReadonlySet<number> = new Set(),
): string {
  for (const outputBytesMax of outputBytesSteps) {
    const text = joined(context.flatMap((message) => blockOf(message, open, outputBytesMax)));
    if (Buffer.byteLength(text) <= bytesMax) return text;
  }
  const blocks = context.flatMap((message) => {
    const share = message.is_boundary ? summaryShareMax : messageShareMax;
    return blockOf(message, open, outputBytesSteps[outputBytesSteps.length - 1] ?? 0).map(
      ({ head, body }) => ({ head, body: cutText(body, Math.floor(bytesMax * share)) }),
    );
  });
  return newestOf(blocks, context[0]?.is_boundary === true, bytesMax);
}

function newestOf(blocks: readonly Block[], summarised: boolean, bytesMax: number): string {
  const kept = summarised ? blocks.slice(0, 1) : [];
  const rest = blocks.slice(kept.length);
  const marker = { head: "", body: `[… ${rest.length} older messages are left out here …]` };
  let room = bytesMax - Buffer.byteLength(joined([...kept, marker]));
  let from = rest.length;
  for (; from > 0; from--) {
    room -= Buffer.byteLength(joined(rest.slice(from - 1, from))) + separator.length;
    if (room < 0) break;
  }
  if (from === 0) return joined(blocks);
  const body = `[… ${from} older ${from === 1 ? "message is" : "messages are"} left out here …]`;
  return joined([...kept, { head: "", body }, ...rest.slice(from)]);
}

const separator = "\n\n";

function joined(blocks: readonly Block[]): string {
  return blocks
    .map(({ head, body }) => (head === "" ? body : `[${head}]\n${body}`))
    .join(separator);
}

function blockOf(message: Entry, open: ReadonlySet<number>, outputBytesMax: number): Block[] {
  const body = message.parts
    .map((part) => textOf(part, outputBytesMax))
    .filter((text) => text.trim() !== "")
    .join("\n");
  if (body === "") return [];
  return [{ head: headOf(message, open), body }];
}

function headOf({ id, role, is_boundary }: Entry, open: ReadonlySet<number>): string {
  if (is_boundary) return "What came before, in short";
  if (open.has(id)) return "User, not answered yet: this message will follow your summary as it is";
  switch (role) {
    case "user":
      return "User";
    case "assistant":
      return "Assistant";
    case "tool":
      return "Results";
    case "system":
      return "Note";
    default:
      return role satisfies never;
  }
}

function textOf(part: Part, outputBytesMax: number): string {
  switch (part.type) {
    case "text":
      return part.text;
    case "tool-call": {
      const input = part.input_text ?? JSON.stringify(part.input);
      return `calls ${part.tool_name} with ${cutText(input, outputBytesMax)}`;
    }
    case "tool-result": {
      const verb = part.is_error ? "failed" : "gave";
      return `${part.tool_name} ${verb}: ${cutText(outputText(part.output), outputBytesMax)}`;
    }
    case "source":
      return `(source: ${[part.title, part.url ?? part.filename].filter(Boolean).join(" ")})`;
    case "file":
      return fileNote(part);
    // What a model thought is not sent back to another one, and a part that only its provider understands helps nobody.
    case "reasoning":
    case "custom":
    case "structured-output":
      return "";
    default:
      return part satisfies never;
  }
}

function fileNote({ media_type, filename }: FilePart): string {
  return `(a file was here: ${filename ?? "without a name"}, ${media_type})`;
}
