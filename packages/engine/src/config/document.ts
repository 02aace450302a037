import { settingKeys, settingOf } from "./load.ts";
import type { Section, Setting } from "./setting.ts";

/** docs/configuration.md, from the table. A test holds that the file is current. */
export function configurationDocument(): string {
  const sections = new Map<Section, Setting<unknown>[]>();
  for (const row of settingKeys.map(settingOf)) {
    sections.set(row.section, [...(sections.get(row.section) ?? []), row]);
  }
  const tables = [...sections].map(([section, rows]) => sectionText(section, rows));
  return [introduction, ...tables, providersText, modelRowsText, pricesText, mcpServersText].join(
    "\n",
  );
}

/** The default as people write it. */
export function defaultText(row: Setting<unknown>): string {
  if (row.defaultText !== undefined) return row.defaultText;
  const text = row.parser.format(row.default);
  return text === "" ? "none" : `\`${text}\``;
}

function sectionText(section: Section, rows: readonly Setting<unknown>[]): string {
  const lines = rows.map((row) => {
    const variables = [row.env, ...(row.aliases ?? [])].map((name) => `\`${name}\``);
    const flag = row.flag === undefined ? "" : `<br>\`--${row.flag}\``;
    const cells = [
      `${variables.join(" or ")}${flag}`,
      row.parser.accepts,
      defaultText(row),
      row.description,
    ];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  return `## ${section}

| setting | value | default | meaning |
| --- | --- | --- | --- |
${lines.join("\n")}
`;
}

const introduction = `# Configuration

<!-- Made from packages/engine/src/config/settings.ts. After a change there: npx vitest run -u packages/engine/src/config -->

A setting is an environment variable or, where one is named, a flag of \`parley serve\`, \`parley migrate\`,
\`parley token\` and \`parley doctor\`. A flag beats its variable. An empty variable counts as not set.
A variable that begins with \`PARLEY_\` and is not listed here, an unknown flag and a value that cannot be used are
refused at the start with the nearest good one, and the process ends with exit code 2.
Keys, tokens and the database's URL never appear in logs.

\`PARLEY_URL\` is read by \`parley chat\` only, \`PARLEY_WORKSPACE_TOKEN\` by \`parley workspace\`. \`PARLEY_RECORDINGS\`
and everything under \`PARLEY_TEST_\` are read by the tests only.
`;

const providersText = `## Providers of one's own

\`PARLEY_PROVIDERS\` holds a JSON array, or the path of a file with one. Each entry is an endpoint that speaks OpenAI's
Chat Completions; its models are called \`name/model\`.

\`\`\`json
[
  { "name": "ollama", "base_url": "http://127.0.0.1:11434/v1", "models": ["llama3.3"] },
  {
    "name": "openrouter",
    "base_url": "https://openrouter.ai/api/v1",
    "api_key_env": "OPENROUTER_API_KEY",
    "headers": { "X-Title": "Parley" }
  }
]
\`\`\`

| field | meaning |
| --- | --- |
| \`name\` | what stands before the slash in a model's name; not \`openai\`, \`openai-chat\`, \`anthropic\`, \`google\`, \`demo\` |
| \`base_url\` | up to and without \`/chat/completions\` |
| \`api_key\` or \`api_key_env\` | the key, or the variable that holds it; neither where none is needed |
| \`headers\` | sent with every call |
| \`models\` | shown in the list of models; others work too |
| \`options\` | names of the server's own options that chats may set in \`provider_options\`, beside the usual ones |
`;

const modelRowsText = `## What is known of models

\`PARLEY_MODEL_SETTINGS\` holds a JSON array, or the path of a file with one. The first entry whose \`model\` fits counts
for a model; what it leaves out is what Parley knows by itself. A chat's settings beat these, a message's beat the chat's.

\`\`\`json
[
  {
    "model": "anthropic/claude-sonnet-*",
    "default_effort": "medium",
    "max_effort": "high",
    "max_output_tokens": 32000,
    "fallback_models": ["openai/gpt-5.4"]
  },
  {
    "model": "ollama/*",
    "context_window_tokens": 32768,
    "images": false,
    "reasoning": false,
    "settings": { "temperature": 0.6, "provider_options": { "ollama": { "keep_alive": "10m" } } }
  }
]
\`\`\`

| field | meaning |
| --- | --- |
| \`model\` | \`provider/model\`; with \`*\` at its end, all whose names begin like that |
| \`context_window_tokens\` | from which on conversations are compacted, and what a tool's output is measured by |
| \`max_output_tokens\` | the most that one reply may have: more is refused, and cut where the model stands in for another |
| \`efforts\` | of \`none\`, \`minimal\`, \`low\`, \`medium\`, \`high\`, \`xhigh\`, \`max\` those that may be asked for; none: it does not reason |
| \`default_effort\`, \`max_effort\` | where nobody asks for one, and the most that may be asked for |
| \`images\`, \`files\`, \`tools\`, \`reasoning\` | what it can do, where \`false\`: files are described to it instead of shown, it is offered no tools, is not asked to think |
| \`settings\` | \`temperature\`, \`top_p\`, \`top_k\`, \`max_output_tokens\`, \`stop\`, \`frequency_penalty\`, \`presence_penalty\`, \`seed\`, \`provider_options\` |
| \`fallback_models\` | in place of \`PARLEY_FALLBACK_MODELS\`, while its provider is down |
`;

const pricesText = `## Prices

\`PARLEY_PRICES\` holds a JSON object, or the path of a file with one: prices in US dollars per million tokens, by
\`provider/model\`, or by \`provider/*\` for those of a provider that are not named. They count before the built-in list,
which holds the list prices of some well-known models on the day that \`packages/engine/src/models/prices/built-in.ts\` names.
Prices change, and contracts differ: say here what you pay. A model that stands in neither has no price, and \`null\`
takes one away.

\`\`\`json
{
  "anthropic/claude-sonnet-4-5": { "input": 3, "cached_input": 0.3, "cache_write_input": 3.75, "output": 15 },
  "ollama/*": { "input": 0, "output": 0 },
  "openai/gpt-5.4": null
}
\`\`\`

| field | meaning |
| --- | --- |
| \`input\`, \`output\` | what a million tokens of a prompt and of a reply cost |
| \`cached_input\` | of a prompt, read from the provider's cache; else as \`input\` |
| \`cache_write_input\` | of a prompt, written into it; else as \`input\` |
| \`reasoning\` | of a reply, thought and not said; else as \`output\` |
| \`long_context\` | \`{input_tokens, input, output, …}\`: the prices of a call with more input than that |
`;

const mcpServersText = `## MCP servers

\`PARLEY_MCP_SERVERS\` holds a JSON array, or the path of a file with one. Each entry is a server whose tools every chat
may use, as \`name__tool\`. docs/tools.md says how they behave.

\`\`\`json
[
  {
    "name": "workspace",
    "url": "http://127.0.0.1:7430/mcp",
    "token_env": "WORKSPACE_TOKEN",
    "timeout_seconds": 700
  },
  {
    "name": "tickets",
    "command": "npx",
    "args": ["-y", "some-ticket-server"],
    "env_from": ["TICKETS_KEY"],
    "deny": ["delete_*"],
    "approval": "unless_read_only"
  }
]
\`\`\`

| field | meaning |
| --- | --- |
| \`name\` | stands before \`__\` in the tools' names: up to 32 letters, digits, \`-\` and \`_\` |
| \`url\` | of a server over Streamable HTTP |
| \`headers\`, \`headers_env\` | sent with every request: values, or the variables that hold them |
| \`token\`, \`token_env\` or \`token_file\` | a bearer token, the variable that holds it, or a file that is read again for each request |
| \`oauth\` | \`{issuer, client_id, client_secret or client_secret_env, scope?}\`: the token is fetched with the client credentials |
| \`command\`, \`args\`, \`cwd\` | instead of \`url\`: a server that is a process of its own, over standard input and output |
| \`env\`, \`env_from\` | what it finds in its environment beside \`PATH\`, \`HOME\` and the like: values, or names of variables to pass on |
| \`allow\`, \`deny\` | names of tools as the server gives them; \`*\` stands for anything; \`deny\` wins |
| \`approval\` | which calls a person must approve: \`never\`, \`always\`, \`unless_read_only\` |
| \`delivery\` | \`annotated\`: calls of tools that the server marks as read-only or idempotent are run again after a crash, others never; or \`at_most_once\`, \`at_least_once\` for all |
| \`timeout_seconds\` | for one call, up to 3600; default 60 |
| \`output_bytes\` | of text in one result; longer text is cut in the middle; default 65536 |
`;
