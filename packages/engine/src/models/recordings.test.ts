import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fold, type LivePart, type ToolResultPart } from "@parley/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  recordingScript,
  startProviderServer,
  type Protocol,
  type ProviderServer,
} from "../../test/provider-server.ts";
import { systemClock } from "../lib/clock.ts";
import { seededRandom } from "../lib/random.ts";
import { ModelError, type ModelPort, type ModelReply, type PromptMessage } from "./model-port.ts";
import { createModels } from "./registry.ts";

/** Real streams of providers, kept outside the repository: a folder per wire protocol, one JSON event per line. */
const folder = process.env["PARLEY_RECORDINGS"];

/** How each protocol is called. Chat Completions is spoken by two packages. */
const modelsOf: Record<string, { protocol: Protocol; models: string[] }> = {
  "openai-chat": { protocol: "openai-chat", models: ["openai-chat/replayed", "replay/replayed"] },
  "openai-responses": { protocol: "openai-responses", models: ["openai/gpt-5.4"] },
  anthropic: { protocol: "anthropic", models: ["anthropic/claude-sonnet-5-5"] },
};

const recordings = Object.entries(modelsOf).flatMap(([name, { protocol, models }]) => {
  const path = join(folder ?? "", name);
  const files = folder === undefined || !existsSync(path) ? [] : readdirSync(path).toSorted();
  return files
    .filter((file) => file.endsWith(".jsonl"))
    .flatMap((file) =>
      models.map((model) => ({
        protocol,
        file: join(path, file),
        label: `${name}/${file}`,
        model,
      })),
    );
});

if (folder === undefined) {
  process.stderr.write("recordings.test.ts: skipped: PARLEY_RECORDINGS is not set\n");
}

describe.skipIf(folder === undefined)("recordings", () => {
  let server: ProviderServer;
  let models: ModelPort;

  beforeAll(async () => {
    server = await startProviderServer();
    const key = { apiKey: "test-key" };
    models = createModels(
      {
        openai: { ...key, baseURL: server.baseURL("openai-responses") },
        anthropic: { ...key, baseURL: server.baseURL("anthropic") },
        compatible: [{ name: "replay", baseURL: server.baseURL("openai-chat") }],
        demo: false,
      },
      { clock: systemClock, random: seededRandom("recordings") },
    );
  });
  afterAll(() => server.close());

  const user: PromptMessage = {
    role: "user",
    parts: [{ type: "text", text: "Hello." }],
    finish_reason: null,
    model: null,
  };

  async function call(model: string, messages: PromptMessage[], used: string[] = []) {
    const live: LivePart[] = [];
    const { signal } = new AbortController();
    const reply = await models
      .stream(
        {
          model,
          reasoning_effort: null,
          system_prompt: "Be brief.",
          messages,
          tools: [],
          used_call_ids: new Set(used),
          signal,
        },
        (part) => live.push(part),
      )
      .catch((error: unknown) => {
        if (error instanceof ModelError) return error;
        throw error;
      });
    return { reply, live };
  }

  it("finds recordings in the folder", () => {
    expect(recordings.length).toBeGreaterThan(0);
  });

  it.each(recordings)("replays $label as $model", async ({ protocol, file, model }) => {
    const jsonl = readFileSync(file, "utf8");
    server.enqueue(protocol, recordingScript(protocol, jsonl));
    const { reply, live } = await call(model, [user]);
    const holdsError = /"type":\s*"(error|response\.failed)"|^\{"error"/m.test(jsonl);
    if (reply instanceof ModelError) {
      expect(holdsError, `${reply.kind}: ${reply.message}`).toBe(true);
      expect(reply.kind).not.toBe("internal");
      return;
    }
    expect(fold(live)).toEqual(reply.parts);
    // What is committed must survive jsonb.
    expect(JSON.parse(JSON.stringify(reply.parts))).toEqual(reply.parts);
    expect(JSON.stringify(reply.parts)).not.toContain("\\u0000");
    expect(["stop", "length", "tool_calls", "content_filter", "pause", "other"]).toContain(
      reply.finish_reason,
    );
    expect(reply.parts.length > 0 || reply.finish_reason === "content_filter").toBe(true);
    expectPlausibleUsage(reply);
    await expectAcceptedBack(model, reply);
  });

  function expectPlausibleUsage({ usage }: ModelReply): void {
    if (usage === null) return;
    for (const count of Object.values(usage) as number[]) {
      expect(Number.isInteger(count) && count >= 0 && count < 10_000_000).toBe(true);
    }
    const sum = (usage.input_tokens ?? 0) + (usage.output_tokens ?? 0);
    expect(usage.total_tokens).toBeGreaterThanOrEqual(sum);
  }

  async function expectAcceptedBack(
    model: string,
    { parts, finish_reason }: ModelReply,
  ): Promise<void> {
    const assistant: PromptMessage = { role: "assistant", parts, finish_reason, model };
    const results = parts
      .filter((part) => part.type === "tool-call")
      .filter((part) => part.provider_executed !== true)
      .map(({ tool_call_id, tool_name }): ToolResultPart => {
        return { type: "tool-result", tool_call_id, tool_name, output: "done", is_error: false };
      });
    const tool: PromptMessage = { role: "tool", parts: results, finish_reason: null, model: null };
    const history = results.length === 0 ? [user, assistant, user] : [user, assistant, tool];
    const before = server.requests.length;
    const used = results.map(({ tool_call_id }) => tool_call_id);
    const again = await call(model, history, used);
    expect(again.reply).not.toBeInstanceOf(ModelError);
    expect(server.requests.length).toBe(before + 1);
  }
});
