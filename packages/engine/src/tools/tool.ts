import type { Json, JsonObject } from "@parley/protocol";
import { z } from "zod";
import { schemaCheck } from "./schema-check.ts";

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
  /** Longer output is cut in the middle. Null: as long as the model's window allows. */
  readonly outputBytesMax: number | null;
  /** Whether a person must approve a call before it runs; a function is given input that fits the schema. */
  readonly approval: boolean | ((input: Json) => boolean);
  /** How long an approval may stay undecided; undefined: the deployment's setting. */
  readonly approvalDeadlineMs?: number | undefined;
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
  /** Bytes of output; longer output is cut in the middle. Default, and most: a third of the model's context window. */
  outputBytesMax?: number | null;
  /**
   * Whether a person must approve a call before it runs, or a function that tells it from the call's input. One that
   * throws, or answers with anything but `false`, asks for approval. Default false.
   */
  approval?: boolean | ((input: Input) => boolean);
  /** How long an approval may stay undecided. Default: PARLEY_APPROVAL_DEADLINE_SECONDS. */
  approvalDeadlineMs?: number | undefined;
  /** Default `at_most_once`: safe for every tool. */
  delivery?: Delivery;
  /** Default: every model. */
  offeredTo?: (model: string) => boolean;
  execute: (input: Input, context: ToolContext) => Promise<Json> | Json;
}

const timeoutDefaultMs = 60_000;
const problemsShownMax = 5;

/** @throws RangeError when the name is one that providers refuse, or a limit is no positive number. */
export function defineTool<Input>(definition: ToolDefinition<Input>): Tool {
  const { name, description, input: given } = definition;
  for (const limit of ["timeoutMs", "outputBytesMax", "approvalDeadlineMs"] as const) {
    const value = definition[limit];
    if (value !== undefined && value !== null && !(value > 0)) {
      throw new RangeError(`${limit} of the tool "${name}" must be a positive number: ${value}`);
    }
  }
  if (!/^[a-zA-Z0-9_-]{1,64}$/.test(name)) {
    throw new RangeError(
      `a tool's name has 1 to 64 letters, digits, _ or -: ${JSON.stringify(name)}`,
    );
  }
  const isZod = given instanceof z.ZodType;
  const inputSchema = isZod ? zodToJsonSchema(given) : given;
  const check = isZod ? zodCheck(given) : schemaCheck(given);
  return {
    name,
    description,
    inputSchema,
    timeoutMs: definition.timeoutMs ?? timeoutDefaultMs,
    outputBytesMax: definition.outputBytesMax ?? null,
    approval: (definition.approval as Tool["approval"] | undefined) ?? false,
    approvalDeadlineMs: definition.approvalDeadlineMs,
    delivery: definition.delivery ?? "at_most_once",
    offeredTo: definition.offeredTo ?? (() => true),
    validate: check,
    execute: async (input, context) => await definition.execute(input as Input, context),
  };
}

/**
 * Whether a person has to be asked about this call. Input that does not fit is answered without running, so nobody is
 * asked about it; where the tool cannot tell, somebody is.
 */
export function needsApproval(tool: Pick<Tool, "approval" | "validate">, input: Json): boolean {
  const { approval } = tool;
  if (approval === false) return false;
  const validated = validateInput(tool, input);
  if (!validated.ok) return false;
  if (approval === true) return true;
  try {
    return approval(validated.input) !== false;
  } catch {
    return true;
  }
}

/** As the tool's own check, which may be anybody's code and may throw. */
export function validateInput(tool: Pick<Tool, "validate">, input: Json): Validated {
  try {
    return tool.validate(input);
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) };
  }
}

function zodCheck(schema: z.ZodType): Tool["validate"] {
  return (input) => {
    const parsed = schema.safeParse(input);
    if (parsed.success) return { ok: true, input: parsed.data as Json };
    const problems = parsed.error.issues
      .slice(0, problemsShownMax)
      .map(({ path, message }) => `${path.length === 0 ? "input" : path.join(".")}: ${message}`);
    return { ok: false, problem: problems.join("; ") };
  };
}

function zodToJsonSchema(schema: z.ZodType): JsonObject {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return rest as JsonObject;
}
