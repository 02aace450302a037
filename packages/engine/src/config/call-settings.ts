import { limits } from "@parley/protocol";
import { integer, list, seconds, text } from "./parsers.ts";
import { optional, setting } from "./setting.ts";

const daySeconds = 86_400;

/** The rows of the table about how models are called and what a turn may take. */
export const callSettings = {
  modelRows: optional({
    section: "Models",
    env: "PARLEY_MODEL_SETTINGS",
    flag: "model-settings",
    parser: text("a JSON array, or the path of a file with one", /^[^\0]+$/),
    description:
      "What is known of single models and how they are called: windows, reasoning efforts, capabilities, defaults, " +
      "fallbacks; see below.",
  }),
  fallbackModels: setting({
    section: "Models",
    env: "PARLEY_FALLBACK_MODELS",
    flag: "fallback-models",
    parser: list("`provider/model`", /^[^/\s,]+\/[^\s,]+$/, limits.fallbackModelsMax),
    default: [],
    defaultText: "none",
    description:
      "Models that stand in, in this order, while the provider of the model that was asked for is down. " +
      "For chats and models that name none of their own.",
  }),
  modelFallbackAttempts: setting({
    section: "Models",
    env: "PARLEY_FALLBACK_ATTEMPTS",
    flag: "fallback-attempts",
    parser: integer(1, 100),
    default: 3,
    description: "Failed tries at one model before the next one stands in for it.",
  }),
  stepToolCallsMax: setting({
    section: "Work",
    env: "PARLEY_STEP_TOOL_CALLS",
    flag: "step-tool-calls",
    parser: integer(1, 1_000),
    default: 100,
    description:
      "Tool calls of one step that are carried out; the model is told that the others were not.",
  }),
  turnMs: setting({
    section: "Work",
    env: "PARLEY_TURN_SECONDS",
    flag: "turn-seconds",
    parser: seconds(0, 20 * daySeconds),
    default: daySeconds * 1_000,
    description:
      "How long one turn may run before it is ended, not counting from before it last waited for a person or a client. " +
      "`0`: any time.",
  }),
} as const;
