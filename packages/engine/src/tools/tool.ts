import type { Json, JsonObject } from "@parley/protocol";
import { z } from "zod";

/** What happens to a call whose replica died while it ran: run again, or closed as "outcome unknown". */
export type Delivery = "at_least_once" | "at_most_once";

export interface ToolContext {
  /** Aborted when the call is stopped or has used up its time. */
  signal: AbortSignal;
  /** The same for every run of the same call, so that a tool can tell a repeat. */
  idempotencyKey: string;
  /** Shown to people while the call runs; neither stored nor sent to the model. */
  progress: (value: Json) => void;
  /** The chat in which the model made the call. */
  chatId: string;
  /**
   * Runs a wait for what others do. While all calls of the step that have not ended only wait, the chat holds no slot
   * and no capacity; it needs none to go on.
   */
  idle: <T>(wait: () => Promise<T>) => Promise<T>;
}

export type Validated = { ok: true; input: Json } | { ok: false; problem: string };

/** A tool that the server runs. Made with `defineTool`. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments. */
  readonly inputSchema: JsonObject;
  readonly timeoutMs: number;
  /** Longer output is cut in the middle. */
  readonly outputBytesMax: number;
  /** Whether a person must approve each call before it runs. */
  readonly approval: boolean;
  readonly delivery: Delivery;
  /** Which models are offered this tool. */
  readonly offeredTo: (model: string) => boolean;
  readonly validate: (input: Json) => Validated;
  /**
   * Throws (anything) for a failure that the model shall hear of: the error's message is its result.
   */
  readonly execute: (input: Json, context: ToolContext) => Promise<Json>;
}

export interface ToolDefinition<Input> {
  name: string;
  description: string;
  /** JSON Schema, or a zod schema, which also types `execute`. */
  input: z.ZodType<Input> | JsonObject;
  /** Default 60 s. */
  timeoutMs?: number;
  /** Default 64 KiB. */
  outputBytesMax?: number;
  /** Default false. */
  approval?: boolean;
  /** Default `at_most_once`: safe for every tool. */
  delivery?: Delivery;
  /** Default: every model. */
  offeredTo?: (model: string) => boolean;
  execute: (input: Input, context: ToolContext) => Promise<Json> | Json;
}

const timeoutDefaultMs = 60_000;
const outputDefaultBytesMax = 64 * 1024;
const problemsShownMax = 5;

/** @throws RangeError when the name is one that providers refuse. */
export function defineTool<Input>(definition: ToolDefinition<Input>): Tool {
  const { name, description, input: given } = definition;
  if (!/^[a-zA-Z0-9_-]{1,64}$/.test(name)) {
    throw new RangeError(
      `a tool's name has 1 to 64 letters, digits, _ or -: ${JSON.stringify(name)}`,
    );
  }
  const isZod = given instanceof z.ZodType;
  const inputSchema = isZod ? zodToJsonSchema(given) : given;
  const validator = isZod ? given : validatorOf(given);
  return {
    name,
    description,
    inputSchema,
    timeoutMs: definition.timeoutMs ?? timeoutDefaultMs,
    outputBytesMax: definition.outputBytesMax ?? outputDefaultBytesMax,
    approval: definition.approval ?? false,
    delivery: definition.delivery ?? "at_most_once",
    offeredTo: definition.offeredTo ?? (() => true),
    validate: (input) => validate(validator, input),
    execute: async (input, context) => await definition.execute(input as Input, context),
  };
}

function validate(validator: z.ZodType | null, input: Json): Validated {
  if (validator === null) return { ok: true, input };
  const parsed = validator.safeParse(input);
  if (parsed.success) return { ok: true, input: parsed.data as Json };
  const problems = parsed.error.issues
    .slice(0, problemsShownMax)
    .map(({ path, message }) => `${path.length === 0 ? "input" : path.join(".")}: ${message}`);
  return { ok: false, problem: problems.join("; ") };
}

function zodToJsonSchema(schema: z.ZodType): JsonObject {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return rest as JsonObject;
}

/** Null for a schema with words that zod does not know: the tool then checks its input itself. */
function validatorOf(schema: JsonObject): z.ZodType | null {
  try {
    return z.fromJSONSchema(schema);
  } catch {
    return null;
  }
}
