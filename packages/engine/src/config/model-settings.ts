import type { ModelRow } from "../domain/model-row.ts";
import type { Config } from "./load.ts";
import { mcpSecrets } from "./mcp-servers.ts";

interface Endpoint {
  apiKey: string;
  baseURL?: string;
}

interface NamedEndpoint {
  name: string;
  baseURL: string;
  apiKey?: string;
  headers: Record<string, string>;
  models: readonly string[];
  options: readonly string[];
}

/** What the model registry is built from (`ModelsConfig` of models/registry.ts has this shape). */
export interface ModelSettings {
  openai?: Endpoint;
  anthropic?: Endpoint;
  google?: Endpoint;
  compatible: readonly NamedEndpoint[];
  defaultModel?: string;
  table?: readonly ModelRow[];
  fallbackModels?: readonly string[];
  demo: boolean;
  silence: { firstEventMs: number; betweenEventsMs: number };
}

/** A base URL alone is enough: a local server that speaks the protocol may want no key, but is sent one. */
const noKey = "none";

export function modelSettings(config: Config): ModelSettings {
  const openai = endpoint(config.openaiApiKey, config.openaiBaseUrl);
  const anthropic = endpoint(config.anthropicApiKey, config.anthropicBaseUrl);
  const google = endpoint(config.googleApiKey, config.googleBaseUrl);
  return {
    ...(openai && { openai }),
    ...(anthropic && { anthropic }),
    ...(google && { google }),
    compatible: config.providers.map(({ name, baseUrl, apiKey, headers, models, options }) => ({
      name,
      baseURL: baseUrl,
      ...(apiKey !== null && { apiKey }),
      headers: { ...headers },
      models,
      options,
    })),
    ...(config.model !== null && { defaultModel: config.model }),
    ...(config.modelRows.length > 0 && { table: config.modelRows }),
    ...(config.fallbackModels.length > 0 && { fallbackModels: config.fallbackModels }),
    demo: config.demo,
    silence: { firstEventMs: config.modelFirstEventMs, betweenEventsMs: config.modelSilenceMs },
  };
}

function endpoint(apiKey: string | null, baseURL: string | null): Endpoint | undefined {
  if (apiKey === null && baseURL === null) return undefined;
  return { apiKey: apiKey ?? noKey, ...(baseURL !== null && { baseURL }) };
}

/** Everything that must never be printed, wherever it may turn up. */
export function secretsOf(config: Config): string[] {
  const urls = [config.databaseUrl, config.databaseDirectUrl, config.natsUrl];
  const passwords = urls.map((url) => /^[^:]+:\/\/[^:/@]*:([^@]*)@/.exec(url ?? "")?.[1] ?? null);
  return [
    config.token,
    ...urls,
    config.relaySecret,
    config.secretsKey,
    ...passwords,
    ...passwords.map((password) => (password === null ? null : decoded(password))),
    config.openaiApiKey,
    config.anthropicApiKey,
    config.googleApiKey,
    ...config.providers.flatMap(({ apiKey, headers }) => [apiKey, ...Object.values(headers)]),
    ...mcpSecrets(config.mcpServers),
  ].filter((secret) => secret !== null);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
