import { builtInPrices } from "./built-in.ts";
import type { OwnPrices, Price } from "../../domain/price.ts";

/** Providers that speak of the same models under two names. */
const sameModels: Readonly<Record<string, string>> = { "openai-chat": "openai" };

/** `-20250929`, `-2026-03-17`, `-latest`: another name of the same model. */
const edition = /-(\d{8}|\d{4}-\d{2}-\d{2}|latest)$/;

/** What models cost: what the deployment says, else the built-in list. */
export class PriceTable {
  readonly #own: OwnPrices;

  constructor(own: OwnPrices = {}) {
    this.#own = own;
  }

  /** Of a `provider/model`; null: not known. */
  of(model: string): Price | null {
    const slash = model.indexOf("/");
    const provider = model.slice(0, Math.max(slash, 0));
    const name = model.slice(slash + 1);
    const plain = name.replace(edition, "");
    for (const key of [model, `${provider}/${plain}`, `${provider}/*`]) {
      if (Object.hasOwn(this.#own, key)) return this.#own[key] ?? null;
    }
    const listed = builtInPrices[sameModels[provider] ?? provider] ?? {};
    const key = [name, plain].find((each) => Object.hasOwn(listed, each));
    return key === undefined ? null : (listed[key] ?? null);
  }
}
