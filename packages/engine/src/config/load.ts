import { readFileSync } from "node:fs";
import { ParleyError } from "../lib/errors.ts";
import type { ModelRow } from "../domain/model-row.ts";
import type { OwnPrices } from "../domain/price.ts";
import type { McpServerDefinition } from "../tools/mcp/definition.ts";
import { BadValue } from "./parsers.ts";
import { parseMcpServers } from "./mcp-servers.ts";
import { parseModelRows } from "./model-rows.ts";
import { parsePrices } from "./prices.ts";
import { parseProviders, reservedProviders, type CompatibleProvider } from "./providers.ts";
import { otherVariables, settings, type SettingKey } from "./settings.ts";
import type { Setting, Surroundings } from "./setting.ts";
import { nearest } from "./suggest.ts";

type Values = {
  readonly [K in SettingKey]: (typeof settings)[K] extends Setting<infer T> ? T : never;
};

/** Every setting's value, under the table's keys. Durations are in milliseconds, sizes in bytes. */
export interface Config extends Omit<Values, "providers" | "modelRows" | "mcpServers" | "prices"> {
  /** Named endpoints that speak OpenAI's Chat Completions. */
  readonly providers: readonly CompatibleProvider[];
  /** What is known of single models; the first row that names one counts for it. */
  readonly modelRows: readonly ModelRow[];
  /** What models cost, where the built-in list does not say, or says otherwise. */
  readonly prices: OwnPrices;
  /** Whose tools every chat may use. */
  readonly mcpServers: readonly McpServerDefinition[];
}

export type Source = "flag" | "environment" | "default";

export interface LoadedConfig {
  readonly config: Config;
  readonly sources: Readonly<Record<SettingKey, Source>>;
}

/** What is wrong with the settings: all of it at once, each line fit to be shown. */
export class ConfigError extends ParleyError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super("invalid_configuration", problems.join("\n"), { details: { problems: [...problems] } });
    this.problems = problems;
  }
}

export interface LoadOptions extends Surroundings {
  /** Values of flags by setting key; a flag beats its variable. */
  readonly flags?: Partial<Record<SettingKey, string>>;
  readonly readFile?: (path: string) => string;
}

export const settingKeys = Object.keys(settings) as SettingKey[];

/** The table's rows without the types of their values: for loops over all of them. */
export function settingOf(key: SettingKey): Setting<unknown> {
  return settings[key];
}

/** @throws ConfigError */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const problems = unknownVariables(options.env);
  const values: Partial<Record<SettingKey, unknown>> = {};
  const sources: Partial<Record<SettingKey, Source>> = {};
  for (const key of settingKeys) {
    const row = settingOf(key);
    const given = givenValue(key, row, options);
    sources[key] = given?.source ?? "default";
    try {
      values[key] = given === undefined ? defaultOf(row, options) : row.parser.parse(given.text);
    } catch (error) {
      if (!(error instanceof BadValue) || given === undefined) throw error;
      problems.push(describeBadValue(row, given, error));
    }
  }
  const config = values as Values;
  const providers = readProviders(config.providers, options, problems);
  const modelRows = readModelRows(config.modelRows, options, problems);
  const mcpServers = readMcpServers(config.mcpServers, options, problems);
  const prices = readPrices(config.prices, options, problems);
  const whole: Config = { ...config, providers, modelRows, mcpServers, prices };
  if (problems.length === 0) {
    problems.push(...modelProblems(whole), ...fallbackProblems(whole), ...relayProblems(whole));
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { config: whole, sources: sources as Record<SettingKey, Source> };
}

interface Given {
  /** `--port` or `PARLEY_PORT`. */
  readonly name: string;
  readonly text: string;
  readonly source: Source;
}

/** An empty variable counts as not set: compose files and unit files write them like that. */
function givenValue(
  key: SettingKey,
  row: Setting<unknown>,
  { flags, env }: LoadOptions,
): Given | undefined {
  const flag = flags?.[key];
  if (flag !== undefined) return { name: `--${row.flag ?? key}`, text: flag, source: "flag" };
  for (const name of [row.env, ...(row.aliases ?? [])]) {
    const text = env[name];
    if (text !== undefined && text !== "") return { name, text, source: "environment" };
  }
  return undefined;
}

function defaultOf(row: Setting<unknown>, surroundings: Surroundings): unknown {
  const value = row.default;
  return typeof value === "function"
    ? (value as (surroundings: Surroundings) => unknown)(surroundings)
    : value;
}

function describeBadValue(row: Setting<unknown>, given: Given, error: BadValue): string {
  const joint = given.source === "flag" ? " " : "=";
  const subject = row.secret === true ? given.name : `${given.name}${joint}${given.text}`;
  const hint = error.suggestion === undefined ? "" : ` The nearest is ${error.suggestion}.`;
  return `${subject}: ${error.message}.${hint}`;
}

/** Only our own prefix is judged: other programs' variables are none of our business. */
function unknownVariables(env: Surroundings["env"]): string[] {
  const known = new Set<string>(otherVariables.names);
  for (const key of settingKeys) known.add(settingOf(key).env);
  return Object.keys(env)
    .filter((name) => name.startsWith("PARLEY_") && !known.has(name))
    .filter((name) => !otherVariables.prefixes.some((prefix) => name.startsWith(prefix)))
    .map((name) => {
      const near = nearest(name, known);
      const hint =
        near === undefined ? "docs/configuration.md lists them all." : `Did you mean ${near}?`;
      return `${name} is not a setting. ${hint}`;
    });
}

function readProviders(
  text: string | null | undefined,
  { env, readFile = (path) => readFileSync(path, "utf8") }: LoadOptions,
  problems: string[],
): readonly CompatibleProvider[] {
  if (text === null || text === undefined) return [];
  const result = parseProviders(text, env, readFile);
  problems.push(...result.problems.map((problem) => `PARLEY_PROVIDERS: ${problem}`));
  return result.providers;
}

function readModelRows(
  text: string | null | undefined,
  { readFile = (path) => readFileSync(path, "utf8") }: LoadOptions,
  problems: string[],
): readonly ModelRow[] {
  if (text === null || text === undefined) return [];
  const result = parseModelRows(text, readFile);
  problems.push(...result.problems.map((problem) => `PARLEY_MODEL_SETTINGS: ${problem}`));
  return result.rows;
}

function readPrices(
  text: string | null | undefined,
  { readFile = (path) => readFileSync(path, "utf8") }: LoadOptions,
  problems: string[],
): OwnPrices {
  if (text === null || text === undefined) return {};
  const result = parsePrices(text, readFile);
  problems.push(...result.problems.map((problem) => `PARLEY_PRICES: ${problem}`));
  return result.prices;
}

function readMcpServers(
  text: string | null | undefined,
  { env, readFile = (path) => readFileSync(path, "utf8") }: LoadOptions,
  problems: string[],
): readonly McpServerDefinition[] {
  if (text === null || text === undefined) return [];
  const result = parseMcpServers(text, env, readFile);
  problems.push(...result.problems.map((problem) => `PARLEY_MCP_SERVERS: ${problem}`));
  return result.servers;
}

/** Certificates are of use only together. */
function relayProblems({ relayTlsCa, relayTlsCert, relayTlsKey }: Config): string[] {
  const given = [relayTlsCa, relayTlsCert, relayTlsKey].filter((path) => path !== null).length;
  if (given === 0 || given === 3) return [];
  return ["PARLEY_RELAY_TLS_CA, PARLEY_RELAY_TLS_CERT and PARLEY_RELAY_TLS_KEY go together."];
}

/** The default model must be one that this installation can call, or the first message of everybody fails. */
function modelProblems(config: Config): string[] {
  if (config.model === null) return [];
  const provider = config.model.slice(0, config.model.indexOf("/"));
  const configured = configuredProviders(config);
  if (configured.includes(provider)) return [];
  if (reservedProviders.includes(provider)) {
    const need = { anthropic: "ANTHROPIC_API_KEY", google: "GOOGLE_GENERATIVE_AI_API_KEY" }[
      provider
    ];
    const mend = provider === "demo" ? "PARLEY_DEMO is off" : `set ${need ?? "OPENAI_API_KEY"}`;
    return [`PARLEY_MODEL=${config.model}: the provider ${provider} is not configured (${mend}).`];
  }
  const near = nearest(provider, [...configured, ...reservedProviders]);
  const hint =
    near === undefined ? `Configured: ${configured.join(", ")}.` : `Did you mean ${near}?`;
  return [`PARLEY_MODEL=${config.model}: there is no provider ${provider}. ${hint}`];
}

/** A model that cannot be called is no help when another is down; better known at the start than then. */
function fallbackProblems(config: Config): string[] {
  const configured = configuredProviders(config);
  const unknown = (model: string): boolean =>
    !configured.includes(model.slice(0, model.indexOf("/")));
  const named: readonly (readonly [string, readonly string[]])[] = [
    ["PARLEY_FALLBACK_MODELS", config.fallbackModels],
    ...config.modelRows.map(
      (row) => [`PARLEY_MODEL_SETTINGS: ${row.model}`, row.fallback_models ?? []] as const,
    ),
  ];
  return named.flatMap(([where, models]) =>
    models
      .filter(unknown)
      .map((model) => `${where}: the provider of ${model} is not configured here.`),
  );
}

/** Names that may stand before the slash of a model, in the order in which a default model is looked for. */
export function configuredProviders(config: Config): string[] {
  return [
    ...(config.openaiApiKey !== null || config.openaiBaseUrl !== null
      ? ["openai", "openai-chat"]
      : []),
    ...(config.anthropicApiKey !== null || config.anthropicBaseUrl !== null ? ["anthropic"] : []),
    ...(config.googleApiKey !== null || config.googleBaseUrl !== null ? ["google"] : []),
    ...config.providers.map(({ name }) => name),
    ...(config.demo ? ["demo"] : []),
  ];
}
