import type { LanguageModelV4 } from "@ai-sdk/provider";

/** Of one provider. Names come from users, so there is no end to them. */
export const clientsMax = 200;

/**
 * What a provider's package has made for a model, by the model's name. Making it builds the schema that replies are
 * checked against, and the first event that is checked compiles that: work of a millisecond, done once and not for
 * every call.
 */
export class Clients {
  readonly #make: (model: string) => LanguageModelV4;
  readonly #byModel = new Map<string, LanguageModelV4>();

  constructor(make: (model: string) => LanguageModelV4) {
    this.#make = make;
  }

  of(model: string): LanguageModelV4 {
    const known = this.#byModel.get(model);
    if (known !== undefined) return known;
    if (this.#byModel.size >= clientsMax) this.#byModel.clear();
    const made = this.#make(model);
    this.#byModel.set(model, made);
    return made;
  }
}
