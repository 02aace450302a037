import { Option, type Command } from "commander";
import { defaultText } from "../config/document.ts";
import { loadConfig, settingKeys, settingOf, type LoadedConfig } from "../config/load.ts";
import { boolean, type Parser } from "../config/parsers.ts";
import type { SettingKey } from "../config/settings.ts";
import type { CliContext } from "./context.ts";

/** Adds every setting that has a flag, grouped as in the documents. */
export function addSettingFlags(command: Command, keys: readonly SettingKey[] = settingKeys): void {
  for (const key of keys) {
    const row = settingOf(key);
    if (row.flag === undefined) continue;
    const isBoolean = row.parser === (boolean as Parser<unknown>);
    const flags = isBoolean ? `--${row.flag} [true|false]` : `--${row.flag} <value>`;
    const text = `${row.description} (${row.env}; default: ${defaultText(row)})`;
    command.addOption(new Option(flags, text.replaceAll("`", "")).helpGroup(`${row.section}:`));
  }
}

/** The settings from the command's flags and the environment. @throws ConfigError */
export function configOf(command: Command, context: CliContext): LoadedConfig {
  const given = command.optsWithGlobals<Record<string, unknown>>();
  const flags: Partial<Record<SettingKey, string>> = {};
  for (const key of settingKeys) {
    const { flag } = settingOf(key);
    const value = flag === undefined ? undefined : given[camelCase(flag)];
    // A boolean flag without a value means yes.
    if (value === true) flags[key] = "true";
    else if (typeof value === "string") flags[key] = value;
  }
  const { env, platform, homeDir } = context;
  return loadConfig({ env, platform, homeDir, flags });
}

function camelCase(flag: string): string {
  return flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
