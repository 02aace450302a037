import type { ModelSettings } from "@parley/protocol";

/** One set of settings over another, value by value; provider options option by option. */
export function settingsOver(
  below: ModelSettings | null,
  above: ModelSettings | null,
): ModelSettings {
  const { provider_options: lower = {}, ...rest } = below ?? {};
  const { provider_options: upper = {}, ...own } = above ?? {};
  const providers = [...new Set([...Object.keys(lower), ...Object.keys(upper)])];
  const options = Object.fromEntries(
    providers.map((name) => [name, { ...lower[name], ...upper[name] }]),
  );
  return {
    ...rest,
    ...own,
    ...(providers.length === 0 ? {} : { provider_options: options }),
  };
}
