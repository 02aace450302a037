import { inspect } from "node:util";
import type { ErrorKind } from "@parley/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  startProviderServer,
  type Protocol,
  type ProviderServer,
  type Script,
} from "../../test/provider-server.ts";
import { systemClock } from "../lib/clock.ts";
import { seededRandom } from "../lib/random.ts";
import { failureOf } from "./ai-sdk/failure.ts";
import { rowFor } from "./classify.ts";
import { errorRows } from "./error-table.ts";
import { ModelError, type ModelPort } from "./model-port.ts";
import { createModels } from "./registry.ts";

const question = "What is the airspeed of an unladen swallow?";
const apiKey = "sk-test-0123456789abcdef";

interface Case {
  row: string;
  kind: ErrorKind;
  model: string;
  answer: Script;
  status?: number;
  retryAfterMs?: number;
  message?: RegExp;
}

const openai = (message: string, type: string | null, code: string | null): object => ({
  error: { message, type, param: null, code },
});
const anthropic = (type: string, message: string): object => ({
  type: "error",
  error: { type, message },
  request_id: "req_011",
});
const google = (code: number, status: string, message: string, details: object[] = []): object => ({
  error: { code, message, status, details },
});
const page =
  "<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body><h1>502</h1></body></html>";

const http = (
  row: string,
  kind: ErrorKind,
  model: string,
  status: number,
  body: object | string,
  more: Partial<Case> & { headers?: Record<string, string> } = {},
): Case => ({
  row,
  kind,
  model,
  status,
  answer: [{ status, body, ...(more.headers === undefined ? {} : { headers: more.headers }) }],
  ...more,
});

/** Bodies as the providers send them. */
const cases: Case[] = [
  http(
    "quota by code",
    "quota",
    "openai/m",
    429,
    openai(
      "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
      "insufficient_quota",
      "insufficient_quota",
    ),
  ),
  http("quota by code", "quota", "vllm/kimi", 429, {
    error: {
      message: "Your account org-1 is suspended, please recharge.",
      type: "exceeded_current_quota_error",
    },
  }),
  http(
    "quota by text",
    "quota",
    "anthropic/claude-m",
    400,
    anthropic(
      "invalid_request_error",
      "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
    ),
  ),
  http(
    "quota by text",
    "quota",
    "anthropic/claude-m",
    400,
    anthropic(
      "invalid_request_error",
      "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
    ),
  ),
  http(
    "quota by text",
    "quota",
    "google/m",
    429,
    google(
      429,
      "RESOURCE_EXHAUSTED",
      "You exceeded your current quota, please check your plan and billing details.",
    ),
  ),
  http("quota by text", "quota", "vllm/deepseek", 402, {
    error: {
      message: "Insufficient Balance",
      type: "unknown_error",
      param: null,
      code: "invalid_request_error",
    },
  }),
  http("quota by text", "quota", "vllm/router", 402, {
    error: {
      message:
        "This request requires more credits, or fewer max_tokens. You requested up to 32000 tokens, but can only afford 1000.",
      code: 402,
    },
  }),
  http(
    "quota by text",
    "quota",
    "vllm/overloaded-but-poor",
    503,
    openai("Service overloaded: insufficient credits on this account", null, null),
  ),
  http("402", "quota", "vllm/m", 402, { error: { message: "Pay first." } }),
  http(
    "Google's limit per minute calls itself a quota",
    "rate_limit",
    "google/m",
    429,
    google(
      429,
      "RESOURCE_EXHAUSTED",
      "You exceeded your current quota, please check your plan and billing details.",
      [
        {
          "@type": "type.googleapis.com/google.rpc.QuotaFailure",
          violations: [{ quotaId: "GenerateRequestsPerMinutePerProjectPerModel-FreeTier" }],
        },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "34.07s" },
      ],
    ),
    { retryAfterMs: 34_070 },
  ),
  http(
    "rate limit by code",
    "rate_limit",
    "openai/m",
    429,
    openai(
      "Rate limit reached for gpt-5 in organization org-1 on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000. Please try again in 2s. Visit https://platform.openai.com/account/rate-limits to learn more. You can increase your rate limit by adding a payment method to your account at https://platform.openai.com/account/billing.",
      "tokens",
      "rate_limit_exceeded",
    ),
    { retryAfterMs: 2_000 },
  ),
  http(
    "rate limit by code",
    "rate_limit",
    "anthropic/claude-m",
    429,
    anthropic(
      "rate_limit_error",
      "This request would exceed your organization's rate limit of 40,000 input tokens per minute. For details, refer to: https://docs.claude.com/en/api/rate-limits. Please reduce the prompt length or the maximum tokens requested, or try again later.",
    ),
    { headers: { "retry-after": "17" }, retryAfterMs: 17_000 },
  ),
  http(
    "context overflow by text",
    "context_overflow",
    "vllm/groq",
    413,
    openai(
      "Request too large for model `llama-3.3-70b` in organization `org_1` service tier `on_demand` on tokens per minute (TPM): Limit 12000, Requested 13000, please reduce your message size and try again.",
      "tokens",
      "rate_limit_exceeded",
    ),
  ),
  http(
    "429",
    "rate_limit",
    "vllm/mistral",
    429,
    { message: "Requests rate limit exceeded" },
    { headers: { "retry-after-ms": "1500" }, retryAfterMs: 1_500 },
  ),
  http(
    "authentication by code",
    "auth",
    "openai/m",
    401,
    openai(
      "Incorrect API key provided: sk-test-********cdef. You can find your API key at https://platform.openai.com/account/api-keys.",
      "invalid_request_error",
      "invalid_api_key",
    ),
    { message: /\[key\]/ },
  ),
  http(
    "authentication by code",
    "auth",
    "anthropic/claude-m",
    401,
    anthropic("authentication_error", "invalid x-api-key"),
  ),
  http(
    "authentication by text",
    "auth",
    "google/m",
    400,
    google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
  ),
  http("401", "auth", "vllm/mistral", 401, { detail: "Unauthorized" }),
  http(
    "401",
    "auth",
    "vllm/echoes",
    401,
    { detail: `Refused: "${apiKey}"` },
    { message: /\[key\]/ },
  ),
  http(
    "403",
    "auth",
    "anthropic/claude-m",
    403,
    anthropic(
      "permission_error",
      "Your account does not have permission to use the specified resource.",
    ),
  ),
  http(
    "unknown model by code",
    "config",
    "openai/m",
    404,
    openai(
      "The model `gpt-99` does not exist or you do not have access to it.",
      "invalid_request_error",
      "model_not_found",
    ),
  ),
  http(
    "unknown model by code",
    "config",
    "openai-chat/m",
    403,
    openai(
      "Country, region, or territory not supported",
      "request_forbidden",
      "unsupported_country_region_territory",
    ),
  ),
  http(
    "unknown model by text",
    "config",
    "google/m",
    404,
    google(
      404,
      "NOT_FOUND",
      "models/gemini-99 is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods.",
    ),
  ),
  http("unknown model by text", "config", "vllm/ollama", 404, {
    error: {
      message: 'model "llama9" not found, try pulling it first',
      type: "api_error",
      param: null,
      code: null,
    },
  }),
  http("unknown model by text", "config", "vllm/router", 503, {
    error: { message: "No endpoints found for acme/model-9.", code: 503 },
  }),
  http(
    "organisation not allowed by text",
    "config",
    "openai/m",
    400,
    openai(
      "Your organization must be verified to generate reasoning summaries.",
      "invalid_request_error",
      "unsupported_value",
    ),
  ),
  http(
    "404",
    "config",
    "anthropic/claude-m",
    404,
    anthropic("not_found_error", "model: claude-99"),
  ),
  http(
    "context overflow by code",
    "context_overflow",
    "openai/m",
    400,
    openai(
      "Your input exceeds the context window of this model. Please adjust your input and try again.",
      "invalid_request_error",
      "context_length_exceeded",
    ),
  ),
  http(
    "context overflow by code",
    "context_overflow",
    "anthropic/claude-m",
    413,
    anthropic("request_too_large", "Request exceeds the maximum size"),
  ),
  http("context overflow by code", "context_overflow", "vllm/llamacpp", 400, {
    error: {
      code: 400,
      message: "the request exceeds the available context size, try increasing it",
      type: "exceed_context_size_error",
      n_prompt_tokens: 9000,
      n_ctx: 4096,
    },
  }),
  http(
    "context overflow by text",
    "context_overflow",
    "anthropic/claude-m",
    400,
    anthropic("invalid_request_error", "prompt is too long: 212345 tokens > 200000 maximum"),
  ),
  http(
    "context overflow by text",
    "context_overflow",
    "anthropic/claude-m",
    400,
    anthropic(
      "invalid_request_error",
      "input length and `max_tokens` exceed context limit: 190000 + 64000 > 200000, decrease input length or `max_tokens` and try again",
    ),
  ),
  http(
    "context overflow by text",
    "context_overflow",
    "google/m",
    400,
    google(
      400,
      "INVALID_ARGUMENT",
      "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    ),
  ),
  http("context overflow by text", "context_overflow", "vllm/vllm", 400, {
    object: "error",
    message:
      "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens in the messages, Please reduce the length of the messages.",
    type: "BadRequestError",
    param: null,
    code: 400,
  }),
  http("context overflow by text", "context_overflow", "vllm/xai", 400, {
    code: "Client specified an invalid argument",
    error: "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
  }),
  http("413", "context_overflow", "vllm/nginx", 413, { message: "Payload Too Large" }),
  http(
    "content filter by code",
    "content_filter",
    "openai-chat/m",
    400,
    openai(
      "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
      null,
      "content_filter",
    ),
  ),
  http(
    "content filter by text",
    "content_filter",
    "openai/m",
    400,
    openai(
      "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
      "invalid_request_error",
      null,
    ),
  ),
  http("451", "content_filter", "vllm/m", 451, { message: "not here" }),
  http(
    "overloaded by code",
    "overloaded",
    "anthropic/claude-m",
    529,
    anthropic("overloaded_error", "Overloaded"),
  ),
  http(
    "overloaded by code",
    "overloaded",
    "google/m",
    503,
    google(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
  ),
  http(
    "502, 503, 529",
    "overloaded",
    "openai/m",
    503,
    openai("The engine is currently overloaded, please try again later", "server_busy", null),
  ),
  http(
    "timeout by code",
    "timeout",
    "google/m",
    504,
    google(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
  ),
  http("408", "timeout", "vllm/m", 408, { message: "Request Timeout" }),
  http("overloaded by text", "overloaded", "vllm/m", 500, {
    error: { message: "The model is at capacity, try again later." },
  }),
  http(
    "other 5xx",
    "server",
    "openai/m",
    500,
    openai("The server had an error while processing your request. Sorry about that!", null, null),
  ),
  http(
    "other 5xx",
    "server",
    "anthropic/claude-m",
    500,
    anthropic("api_error", "Internal server error"),
  ),
  http("409 and 425", "server", "openai/m", 409, openai("Conflict", null, null)),
  http(
    "other 4xx",
    "invalid_request",
    "openai/m",
    400,
    openai("Invalid type for 'input': expected a string.", "invalid_request_error", "invalid_type"),
  ),
  http(
    "other 4xx",
    "invalid_request",
    "anthropic/claude-m",
    400,
    anthropic("invalid_request_error", "messages: at least one message is required"),
  ),
  http(
    "redirect",
    "config",
    "vllm/m",
    301,
    { message: "" },
    { headers: { location: "https://elsewhere.example" } },
  ),
  http("web page with a success status", "config", "openai/m", 200, page, { message: /base URL/ }),
  http("web page with a success status", "config", "anthropic/claude-m", 200, page),
  http("web page for a bad gateway", "overloaded", "openai/m", 502, page),
  http("web page for a timeout", "timeout", "vllm/m", 504, page),
  http("web page for a refusal", "auth", "anthropic/claude-m", 403, page),
  http("web page for a wrong address", "config", "vllm/m", 404, page),
  http("web page for anything else", "server", "google/m", 500, page),
  // An error although the status says success.
  {
    row: "quota by text",
    kind: "quota",
    model: "vllm/m",
    answer: [
      { status: 200, body: { error: { message: "You have insufficient credits", code: 402 } } },
    ],
    status: 402,
  },
  // Errors in a stream.
  {
    row: "quota by code",
    kind: "quota",
    model: "openai/m",
    status: 429,
    answer: [
      {
        event: "response.created",
        data: { type: "response.created", response: { id: "r", created_at: 1, model: "m" } },
      },
      {
        event: "error",
        data: {
          type: "error",
          sequence_number: 1,
          error: {
            type: "insufficient_quota",
            code: "insufficient_quota",
            message: "You exceeded your current quota.",
            param: null,
          },
        },
      },
    ],
  },
  {
    row: "overloaded by code",
    kind: "overloaded",
    model: "anthropic/claude-m",
    answer: [
      {
        event: "message_start",
        data: { type: "message_start", message: { id: "m", usage: { input_tokens: 1 } } },
      },
      {
        event: "content_block_start",
        data: { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      },
      {
        event: "content_block_delta",
        data: { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hel" } },
      },
      { event: "error", data: anthropic("overloaded_error", "Overloaded") },
    ],
  },
  {
    row: "overloaded by code",
    kind: "overloaded",
    model: "anthropic/claude-m",
    answer: [{ event: "error", data: anthropic("overloaded_error", "Overloaded") }],
  },
  {
    row: "server by code",
    kind: "server",
    model: "vllm/m",
    answer: [
      { data: { choices: [{ index: 0, delta: { content: "Hel" } }] } },
      { data: { error: { message: "EngineCore encountered an issue.", type: "api_error" } } },
    ],
  },
  {
    row: "rate limit by text",
    kind: "rate_limit",
    model: "vllm/m",
    answer: [{ data: { error: { message: "Too many requests" } } }],
  },
  {
    row: "timeout by text",
    kind: "timeout",
    model: "vllm/m",
    answer: [{ data: { error: { message: "upstream timed out" } } }],
  },
  {
    row: "connection by text",
    kind: "network",
    model: "vllm/m",
    answer: [{ data: { error: { message: "upstream connection closed" } } }],
  },
  {
    row: "invalid request by code",
    kind: "invalid_request",
    model: "vllm/m",
    answer: [{ data: { error: { message: "no", type: "invalid_request_error" } } }],
  },
  {
    row: "answer that cannot be read",
    kind: "server",
    model: "openai-chat/m",
    answer: [{ data: "{not json" }, { data: "[DONE]" }],
  },
  { row: "else", kind: "server", model: "vllm/m", answer: [{ data: { error: { message: "?" } } }] },
  {
    row: "half a stream",
    kind: "network",
    model: "anthropic/claude-m",
    answer: [
      {
        event: "message_start",
        data: { type: "message_start", message: { id: "m", usage: { input_tokens: 1 } } },
      },
    ],
  },
  {
    row: "half a stream, as the package says it",
    kind: "network",
    model: "openai-chat/m",
    answer: [{ data: { choices: [{ index: 0, delta: { content: "Hel" } }] } }],
  },
  {
    row: "half a stream",
    kind: "network",
    model: "google/m",
    answer: [{ data: { candidates: [{ content: { parts: [{ text: "Hel" }] } }] } }],
  },
  { row: "half a stream", kind: "network", model: "openai/m", answer: [] },
  { row: "connection lost", kind: "network", model: "openai/m", answer: [{ drop: true }] },
  {
    row: "connection lost",
    kind: "network",
    model: "vllm/m",
    answer: [{ data: { choices: [{ index: 0, delta: { content: "Hel" } }] } }, { drop: true }],
  },
];

/** Reached without a provider's answer: in their own tests below, or only by an error's own code. */
const otherwiseReached = new Set([
  "no connection",
  "no such host",
  "TLS by code",
  "base URL that is none",
  "request that cannot be built",
  "bug",
]);

const protocols: Record<string, Protocol> = {
  openai: "openai-responses",
  "openai-chat": "openai-chat",
  anthropic: "anthropic",
  google: "google",
  vllm: "openai-chat",
};

async function errorOf(models: ModelPort, model: string): Promise<ModelError> {
  const { signal } = new AbortController();
  const call = models.stream(
    {
      model,
      reasoning_effort: null,
      system_prompt: null,
      messages: [
        {
          role: "user",
          parts: [{ type: "text", text: question }],
          finish_reason: null,
          model: null,
        },
      ],
      tools: [],
      used_call_ids: new Set(),
      signal,
    },
    () => {},
  );
  const error: unknown = await call.then(
    (reply) => new Error(`no error: ${JSON.stringify(reply)}`),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ModelError);
  return error as ModelError;
}

const deps = { clock: systemClock, random: seededRandom(1) };
const rowOf = (error: ModelError): unknown => error.details?.["row"];

describe("classification of provider errors", () => {
  let server: ProviderServer;
  let models: ModelPort;

  beforeAll(async () => {
    server = await startProviderServer();
    const key = (protocol: Protocol) => ({ apiKey, baseURL: server.baseURL(protocol) });
    models = createModels(
      {
        openai: key("openai-chat"),
        anthropic: key("anthropic"),
        google: key("google"),
        compatible: [{ name: "vllm", ...key("openai-chat") }],
        demo: false,
      },
      deps,
    );
  });
  afterAll(() => server.close());

  it.each(cases.map((each, i) => ({ ...each, title: `${each.row}: ${each.model} (${i})` })))(
    "$title",
    async ({ model, answer, row, kind, status, retryAfterMs, message }) => {
      const provider = model.split("/")[0] ?? "";
      server.enqueue(protocols[provider] ?? "openai-chat", answer);
      const error = await errorOf(models, model);
      expect({ row: rowOf(error), kind: error.kind, said: error.message }).toMatchObject({
        row,
        kind,
      });
      expect(error.retryable).toBe(
        ["overloaded", "rate_limit", "timeout", "network", "server"].includes(kind),
      );
      expect(error.provider).toBe(provider);
      if (status !== undefined) expect(error.status_code).toBe(status);
      if (retryAfterMs !== undefined) expect(error.retry_after_ms).toBe(retryAfterMs);
      if (message !== undefined) expect(error.message).toMatch(message);
      expect(error.message).not.toBe("");
      expect(error.message.length).toBeLessThanOrEqual(500);
      expect(inspect(error, { depth: 10 })).not.toContain(apiKey);
      expect(inspect(error, { depth: 10 })).not.toContain(question);
      expect(error.message).not.toMatch(/<html/i);
    },
  );

  it("has a case for every row", () => {
    const reached = new Set([...cases.map(({ row }) => row), ...otherwiseReached]);
    expect(errorRows.map(({ name }) => name).filter((name) => !reached.has(name))).toEqual([]);
  });

  it("knows a refused connection, a name that does not resolve, and TLS that is none", async () => {
    const closed = await startProviderServer();
    await closed.close();
    const unreachable = createModels(
      {
        compatible: [
          { name: "refused", baseURL: closed.baseURL("openai-chat") },
          { name: "nowhere", baseURL: "http://no-such-host.invalid/v1" },
          { name: "plain", baseURL: `https://127.0.0.1:${server.port}/v1` },
        ],
        defaultModel: "refused/m",
        demo: false,
      },
      deps,
    );
    expect(await errorOf(unreachable, "refused/m")).toMatchObject({
      kind: "network",
      retryable: true,
    });
    expect(await errorOf(unreachable, "nowhere/m")).toMatchObject({
      kind: "network",
      retryable: true,
    });
    expect(await errorOf(unreachable, "plain/m")).toMatchObject({
      kind: "config",
      retryable: false,
    });
  });

  it("calls an exception of ours internal, and keeps its words from the user", () => {
    const row = rowFor(failureOf(new TypeError("cannot read 'sk-secret'")));
    expect(row).toMatchObject({ name: "bug", kind: "internal" });
  });
});
