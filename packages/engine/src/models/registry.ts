import { validateHeaderName, validateHeaderValue } from "node:http";
import type { LivePart } from "@parley/protocol";
import type { Clock } from "../lib/clock.ts";
import { ParleyError } from "../lib/errors.ts";
import type { Random } from "../lib/random.ts";
import { ProviderCall, type Adapter } from "./ai-sdk/call.ts";
import { knownModels } from "./ai-sdk/known-models.ts";
import {
  anthropicProvider,
  compatibleProvider,
  googleProvider,
  openaiChatProvider,
  openaiProvider,
  type CompatibleConfig,
  type FittedRequest,
  type Provider,
  type ProviderConfig,
} from "./ai-sdk/providers.ts";
import { settingsOver } from "../domain/model-settings.ts";
import { DemoModels, demoModels } from "./demo.ts";
import {
  ModelError,
  type ModelInfo,
  type ModelPort,
  type ModelReply,
  type ModelRequest,
  type ReadyCall,
} from "./model-port.ts";
import type { ModelRow } from "../domain/model-row.ts";
import { fittingEffort, ModelTable } from "./model-table.ts";
import { silenceDefaults, type SilenceLimits } from "./silence.ts";

export interface ModelsConfig {
  /** Serves `openai/…` (Responses) and `openai-chat/…` (Chat Completions). */
  openai?: ProviderConfig;
  anthropic?: ProviderConfig;
  google?: ProviderConfig;
  compatible?: readonly CompatibleConfig[];
  /** `provider/model`. Without it, the first configured provider's. */
  defaultModel?: string;
  /** What the deployment says of its models. */
  table?: readonly ModelRow[];
  /** Models that stand in where neither a chat nor the table names any. */
  fallbackModels?: readonly string[];
  /** Whether the built-in `demo/…` models are offered. */
  demo: boolean;
  silence?: Partial<SilenceLimits> & {
    /** By `provider/model`. */
    models?: Readonly<Record<string, Partial<SilenceLimits>>>;
  };
}

export interface ModelsDeps {
  clock: Clock;
  random: Pick<Random, "uuid">;
}

/** A configuration of models that cannot work. The message says what to mend. */
export class ModelsConfigInvalid extends ParleyError {
  constructor(message: string) {
    super("models_config_invalid", message);
  }
}

const reservedNames: ReadonlySet<string> = new Set(["demo", ...Object.keys(knownModels)]);

/** @throws ModelsConfigInvalid */
export function createModels(config: ModelsConfig, deps: ModelsDeps): ModelPort {
  const compatible = config.compatible ?? [];
  const bases = [config.openai, config.anthropic, config.google, ...compatible];
  for (const base of bases) if (base?.baseURL !== undefined) checkBaseURL(base.baseURL);
  for (const base of bases) if (base !== undefined) checkHeaders(base);
  checkNames(compatible);
  return new Models(config, providersOf(config, deps.clock), deps);
}

function providersOf(config: ModelsConfig, clock: Clock): Provider[] {
  const { openai, anthropic, google, compatible = [] } = config;
  return [
    ...(openai === undefined
      ? []
      : [openaiProvider(openai, clock), openaiChatProvider(openai, clock)]),
    ...(anthropic === undefined ? [] : [anthropicProvider(anthropic, clock)]),
    ...(google === undefined ? [] : [googleProvider(google, clock)]),
    ...compatible.map((each) => compatibleProvider(each, clock)),
  ];
}

class Models implements ModelPort {
  readonly #config: ModelsConfig;
  readonly #providers: ReadonlyMap<string, Provider>;
  readonly #demo: DemoModels | null;
  readonly #table: ModelTable;
  readonly #deps: ModelsDeps;
  readonly #listed: ModelInfo[];
  readonly #default: string;

  constructor(config: ModelsConfig, providers: readonly Provider[], deps: ModelsDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#providers = new Map(providers.map((provider) => [provider.name, provider]));
    this.#demo = config.demo ? new DemoModels(deps) : null;
    this.#table = new ModelTable(config.table, config.fallbackModels);
    this.#listed = this.#listAll(providers);
    this.#default = this.#chooseDefault();
  }

  async stream(request: ModelRequest, onPart: (live: LivePart) => void): Promise<ModelReply> {
    const { provider: name } = split(request.model);
    if (name === "demo" && this.#demo !== null) return await this.#demo.stream(request, onPart);
    const adapter = this.#adapterOf(request);
    if (adapter === null) throw unknownModel(request.model);
    return await new ProviderCall(adapter, request, this.#deps).stream(request.signal, onPart);
  }

  prepare(request: Omit<ModelRequest, "signal">): ReadyCall | null {
    const adapter = this.#adapterOf(request);
    return adapter && new ProviderCall(adapter, request, this.#deps);
  }

  has(model: string): boolean {
    const { provider, name } = split(model);
    if (name === "") return false;
    return provider === "demo" ? this.#demo !== null : this.#providers.has(provider);
  }

  providers(): string[] {
    return [...this.#providers.keys(), ...(this.#demo === null ? [] : ["demo"])];
  }

  list(): ModelInfo[] {
    return this.#listed.map((info) => ({ ...info }));
  }

  defaultModel(): string {
    return this.#default;
  }

  info(model: string): ModelInfo | null {
    if (!this.has(model)) return null;
    const listed = this.#listed.find(({ id }) => id === model);
    return listed === undefined ? this.#infoOf(model) : { ...listed };
  }

  optionsOf(name: string): readonly string[] | null {
    if (name === "demo") return this.#demo === null ? null : [];
    return this.#providers.get(name)?.optionNames ?? null;
  }

  #adapterOf(request: Omit<ModelRequest, "signal">): Adapter | null {
    const provider = this.#providers.get(split(request.model).provider);
    if (provider === undefined || !this.has(request.model)) return null;
    return provider.adapter(this.#fitted(request), this.#silenceOf(request.model));
  }

  /** With the deployment's defaults under what was asked for, and nothing that the model does not know or may not. */
  #fitted(request: Omit<ModelRequest, "signal">): FittedRequest {
    const traits = this.#table.traits(request.model);
    const settings = settingsOver(this.#table.settings(request.model), request.settings ?? null);
    const most = traits.max_output_tokens;
    const asked = settings.max_output_tokens;
    return {
      ...request,
      capabilities: traits.capabilities,
      reasoning_effort: fittingEffort(request.reasoning_effort, traits),
      settings:
        most !== null && (asked ?? 0) > most ? { ...settings, max_output_tokens: most } : settings,
      tools: traits.capabilities.tools === false ? [] : request.tools,
    };
  }

  #infoOf(model: string, contextWindowTokens?: number): ModelInfo {
    const { provider, name } = split(model);
    return { id: model, provider, name, ...this.#table.traits(model, contextWindowTokens) };
  }

  #silenceOf(model: string): SilenceLimits {
    const { models, ...all } = this.#config.silence ?? {};
    return { ...silenceDefaults, ...all, ...models?.[model] };
  }

  #listAll(providers: readonly Provider[]): ModelInfo[] {
    const known: Readonly<Record<string, readonly string[]>> = knownModels;
    const ofProviders = providers.flatMap(({ name }) =>
      (known[name] ?? []).map((model) => this.#infoOf(`${name}/${model}`)),
    );
    const ofCompatible = (this.#config.compatible ?? []).flatMap(({ name, models = [] }) =>
      models.map((model) =>
        typeof model === "string"
          ? this.#infoOf(`${name}/${model}`)
          : this.#infoOf(`${name}/${model.name}`, model.context_window_tokens),
      ),
    );
    const ofDemo =
      this.#demo === null
        ? []
        : demoModels.map(({ id, context_window_tokens: window }) =>
            this.#infoOf(id, window ?? undefined),
          );
    return [...ofProviders, ...ofCompatible, ...ofDemo];
  }

  #chooseDefault(): string {
    const { defaultModel } = this.#config;
    if (defaultModel !== undefined) {
      if (this.has(defaultModel)) return defaultModel;
      throw new ModelsConfigInvalid(
        `The default model "${defaultModel}" is of no configured provider; use provider/model with one of: ${this.providers().join(", ") || "none is configured"}.`,
      );
    }
    const first = this.#listed[0];
    if (first !== undefined) return first.id;
    throw new ModelsConfigInvalid(
      "No model can be chosen as the default: configure a provider's key, name the models of a compatible endpoint, set the default model, or allow the demo models.",
    );
  }
}

function split(model: string): { provider: string; name: string } {
  const slash = model.indexOf("/");
  if (slash === -1) return { provider: "", name: "" };
  return { provider: model.slice(0, slash), name: model.slice(slash + 1) };
}

function unknownModel(model: string): ModelError {
  const message = `No provider is configured here for the model "${model.slice(0, 100)}".`;
  return new ModelError({ kind: "config", message, retryable: false });
}

function checkBaseURL(baseURL: string): void {
  const isHttp = URL.canParse(baseURL) && /^https?:$/.test(new URL(baseURL).protocol);
  if (!isHttp) {
    throw new ModelsConfigInvalid(
      `A provider's base URL must begin with http:// or https://: "${baseURL}".`,
    );
  }
}

/** Found at the start instead of at the first call; and what is wrong with a secret is said without it. */
function checkHeaders({ apiKey, headers }: Pick<CompatibleConfig, "apiKey" | "headers">): void {
  const all = { authorization: apiKey ?? "", ...headers };
  for (const [name, value] of Object.entries(all)) {
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch {
      const what = name === "authorization" ? "API key" : `header ${JSON.stringify(name)}`;
      throw new ModelsConfigInvalid(
        `A provider's ${what} has characters that no header can carry. Is there a line break in it?`,
      );
    }
  }
}

function checkNames(compatible: readonly CompatibleConfig[]): void {
  const seen = new Set<string>();
  for (const { name } of compatible) {
    if (!/^[a-z0-9][a-z0-9._-]{0,62}$/i.test(name)) {
      throw new ModelsConfigInvalid(
        `A provider's name has letters, digits, ".", "_" and "-": "${name}".`,
      );
    }
    if (reservedNames.has(name) || seen.has(name)) {
      throw new ModelsConfigInvalid(`The provider name "${name}" is taken already.`);
    }
    seen.add(name);
  }
}
