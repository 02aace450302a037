import type { Json, Message, StructuredOutputPart } from "@parley/protocol";

/** What became of a reply that was asked to be JSON of a schema. */
export type StructuredOutput<T> =
  | { readonly outcome: "valid"; readonly value: T; readonly message: Message }
  | {
      readonly outcome: "invalid";
      /** What was found in the reply; null where that was no JSON. */
      readonly value: Json;
      /** Where in the value, as a JSON pointer (empty: all of it), and what is wrong. */
      readonly errors: readonly { readonly path: string; readonly message: string }[];
      readonly message: Message;
    };

/**
 * The result of a turn whose message had a `response_format`: of the newest turn in `messages`, or of the one that the user
 * message `turn` began. Null while there is none: the reply is still being written, or is being repaired.
 *
 * @param messages of a transcript or of `listMessages`, in order.
 * @param options.parse gives the value its type: `schema.parse` of zod, say. What it throws is thrown.
 */
export function structuredOutput<T = unknown>(
  messages: readonly Message[],
  options: { readonly turn?: number; readonly parse?: (value: unknown) => T } = {},
): StructuredOutput<T> | null {
  const { turn, parse = (value: unknown) => value as T } = options;
  const found = turnOf(messages, turn).flatMap((message) =>
    message.parts.filter(isOutcome).map((part) => ({ message, part })),
  );
  const last = found.at(-1);
  if (last === undefined || last.part.repairing === true) return null;
  const { message, part } = last;
  if (part.outcome === "valid") return { outcome: "valid", value: parse(part.value), message };
  return { outcome: "invalid", value: part.value, errors: part.errors ?? [], message };
}

/** What follows the message, or the newest of the user's that asks for a form, up to the next that does. */
function turnOf(messages: readonly Message[], turn: number | undefined): readonly Message[] {
  const from =
    turn === undefined
      ? messages.findLastIndex(isAsking)
      : messages.findIndex(({ id }) => id === turn);
  if (from === -1) return [];
  const rest = messages.slice(from + 1);
  const next = rest.findIndex(isAsking);
  return next === -1 ? rest : rest.slice(0, next);
}

function isAsking({ role, response_format }: Message): boolean {
  return role === "user" && response_format !== undefined;
}

function isOutcome(part: Message["parts"][number]): part is StructuredOutputPart {
  return part.type === "structured-output";
}
