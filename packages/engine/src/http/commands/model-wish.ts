import type { ModelSettings, ReasoningEffort } from "@parley/protocol";
import type { HttpContext } from "../context.ts";
import { InvalidRequest, UnknownModel } from "../errors.ts";
import { checkModel } from "./content.ts";

/** What a request says of how models are called. */
export interface ModelWish {
  readonly model?: string | undefined;
  readonly reasoning_effort?: ReasoningEffort | null | undefined;
  readonly model_settings?: ModelSettings | null | undefined;
  readonly fallback_models?: readonly string[] | null | undefined;
}

/**
 * Holds a wish to what is configured here, whatever model it is for: models that can be called, and options that their
 * providers let a chat set.
 *
 * @throws UnknownModel
 * @throws InvalidRequest
 */
export function checkModelWish(wish: ModelWish, context: Pick<HttpContext, "models">): void {
  const { models } = context;
  checkModel(wish.model, context);
  for (const model of wish.fallback_models ?? []) {
    if (!models.has(model)) throw new UnknownModel(model);
  }
  for (const [provider, options] of Object.entries(wish.model_settings?.provider_options ?? {})) {
    const allowed = models.optionsOf(provider);
    if (allowed === null) {
      throw new InvalidRequest(`No provider "${provider}" is configured here.`, {
        allowed: models.providers(),
      });
    }
    const refused = Object.keys(options).find((option) => !allowed.includes(option));
    if (refused !== undefined) {
      throw new InvalidRequest(`The option "${refused}" of ${provider} cannot be set here.`, {
        allowed,
      });
    }
  }
}

/**
 * Holds a wish to the model that it is for. What was asked for a model and is carried over to another one later is fitted
 * to that when it is called.
 *
 * @param model the one that is called where the wish names none.
 * @throws InvalidRequest
 */
export function checkModelFits(
  wish: ModelWish,
  model: string,
  { models }: Pick<HttpContext, "models">,
): void {
  const name = wish.model ?? model;
  const info = models.info(name);
  if (info === null) return;
  const { reasoning_effort: effort } = wish;
  const { efforts, max_output_tokens: most } = info;
  if (effort !== undefined && effort !== null && efforts?.includes(effort) === false) {
    const said =
      efforts.length === 0
        ? `${name} does not reason: leave reasoning_effort out.`
        : `The reasoning effort of ${name} is one of ${efforts.join(", ")}.`;
    throw new InvalidRequest(said, { allowed: efforts });
  }
  const tokens = wish.model_settings?.max_output_tokens;
  if (tokens !== undefined && most !== null && tokens > most) {
    throw new InvalidRequest(`A reply of ${name} may have ${most} tokens at most here.`, {
      max_output_tokens: most,
    });
  }
}
