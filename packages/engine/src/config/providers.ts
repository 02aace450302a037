import { z } from "zod";
import { place, readJsonList } from "./json-list.ts";
import type { Surroundings } from "./setting.ts";

/** One endpoint that speaks OpenAI's Chat Completions. Its models are named `name/model`. */
export interface CompatibleProvider {
  readonly name: string;
  readonly baseUrl: string;
  readonly apiKey: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Shown in the list of models; others of the same endpoint work too. */
  readonly models: readonly string[];
  /** Of its own options those that chats may set beside the usual ones. */
  readonly options: readonly string[];
}

/** Names that mean something already. */
export const reservedProviders: readonly string[] = [
  "openai",
  "openai-chat",
  "anthropic",
  "google",
  "demo",
];

const variableName = z.string().regex(/^[A-Za-z_]\w*$/, "must be the name of a variable");

const providerSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_.-]{0,63}$/, "must be lower-case letters, digits, dashes")
    .refine((name) => !reservedProviders.includes(name), "is the name of a built-in provider"),
  base_url: z.url({ protocol: /^https?$/ }),
  api_key: z.string().min(1).optional(),
  api_key_env: variableName.optional(),
  headers: z.record(z.string().regex(/^[\w-]+$/), z.string()).optional(),
  models: z.array(z.string().min(1)).optional(),
  options: z.array(z.string().regex(/^\w+$/)).max(100).optional(),
});

const providersSchema = z
  .array(providerSchema)
  .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, {
    message: "two providers have the same name",
  });

/** `text` is the JSON itself or the path of a file with it. Problems never quote a value: it may hold keys. */
export function parseProviders(
  text: string,
  env: Surroundings["env"],
  readFile: (path: string) => string,
): { providers: CompatibleProvider[]; problems: string[] } {
  const read = readJsonList(text, readFile);
  if ("problem" in read) return { providers: [], problems: [read.problem] };
  const parsed = providersSchema.safeParse(read.json);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${place(path)}${message}`);
    return { providers: [], problems };
  }
  const problems: string[] = [];
  const providers = parsed.data.map((row): CompatibleProvider => {
    const fromEnv = row.api_key_env === undefined ? undefined : env[row.api_key_env];
    if (row.api_key_env !== undefined && (fromEnv === undefined || fromEnv === "")) {
      problems.push(`${row.name}: the variable ${row.api_key_env} is not set`);
    }
    return {
      name: row.name,
      baseUrl: row.base_url.replace(/\/+$/, ""),
      apiKey: fromEnv ?? row.api_key ?? null,
      headers: row.headers ?? {},
      models: row.models ?? [],
      options: row.options ?? [],
    };
  });
  return { providers, problems };
}
