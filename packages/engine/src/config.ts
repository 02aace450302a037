/** The door to the configuration: one table (config/settings.ts), and what is made from it. */
export { ConfigError, configuredProviders, loadConfig } from "./config/load.ts";
export type { Config, LoadedConfig, LoadOptions } from "./config/load.ts";
export { modelSettings, secretsOf } from "./config/model-settings.ts";
export { spendPolicy } from "./config/spending-policy.ts";
