import type { LanguageModelV4Prompt } from "@ai-sdk/provider";
import type { Part } from "@parley/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PromptMessage } from "./model-port.ts";
import { assemblePrompt, type Flavour, type PromptTarget } from "./prompt.ts";

const flavours = [
  "openai-responses",
  "openai-chat",
  "openai-compatible",
  "anthropic",
  "google",
] as const;

const target = (flavour: Flavour): PromptTarget => ({ provider: "p", flavour });
const t = (text: string): Part => ({ type: "text", text });
const user = (...parts: Part[]): PromptMessage => ({
  role: "user",
  parts,
  finish_reason: null,
  model: null,
});
const assistant = (parts: Part[], more: Partial<PromptMessage> = {}): PromptMessage => ({
  role: "assistant",
  parts,
  finish_reason: "stop",
  model: "p/m",
  ...more,
});
const tool = (...parts: Part[]): PromptMessage => ({
  role: "tool",
  parts,
  finish_reason: null,
  model: null,
});
const callPart = (
  id: string,
  input: Part extends infer P ? (P extends { input: infer I } ? I : never) : never = {},
): Part => ({
  type: "tool-call",
  tool_call_id: id,
  tool_name: "add",
  input,
});
const result = (id: string, output = "done", is_error = false): Part => ({
  type: "tool-result",
  tool_call_id: id,
  tool_name: "add",
  output,
  is_error,
});
const roles = (prompt: LanguageModelV4Prompt): string[] => prompt.map(({ role }) => role);

describe("assemblePrompt", () => {
  it("puts the system prompt and leading system messages first, later ones as notes", () => {
    const system = (text: string): PromptMessage => ({ ...user(t(text)), role: "system" });
    const prompt = assemblePrompt(
      "Rules.",
      [system("Summary."), user(t("Hi")), system("Note.")],
      target("google"),
    );
    expect(prompt[0]).toEqual({ role: "system", content: "Rules.\n\nSummary." });
    expect(roles(prompt)).toEqual(["system", "user"]);
    expect(JSON.stringify(prompt[1])).toContain("<system-note>");
  });

  it("merges user messages in a row and drops an assistant message that says nothing", () => {
    const prompt = assemblePrompt(
      null,
      [user(t("a")), assistant([t(" \n")]), user(t("b"))],
      target("anthropic"),
    );
    expect(prompt).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
    ]);
  });

  it("puts one result for each call directly after it, in call order", () => {
    const prompt = assemblePrompt(
      null,
      [
        user(t("a")),
        assistant([callPart("1"), callPart("2"), callPart("3")]),
        tool(result("3"), result("1")),
        user(t("b")),
      ],
      target("anthropic"),
    );
    expect(roles(prompt)).toEqual(["user", "assistant", "tool", "user"]);
    const answers = prompt[2]?.role === "tool" ? prompt[2].content : [];
    expect(answers).toMatchObject([
      { toolCallId: "1", output: { type: "text", value: "done" } },
      {
        toolCallId: "2",
        output: { type: "error-text", value: "No result was recorded for this call." },
      },
      { toolCallId: "3" },
    ]);
  });

  it("finds results inside the assistant message of a kept partial, and drops results of no call", () => {
    const partial = assistant([callPart("1"), result("1", "stopped", true)], {
      finish_reason: "interrupted",
    });
    const prompt = assemblePrompt(
      null,
      [user(t("a")), partial, tool(result("other")), user(t("b"))],
      target("openai-chat"),
    );
    expect(roles(prompt)).toEqual(["user", "assistant", "tool", "user"]);
    expect(JSON.stringify(prompt)).not.toContain("other");
  });

  it("sends a call without valid JSON as an empty one", () => {
    const broken: Part = {
      type: "tool-call",
      tool_call_id: "1",
      tool_name: "add",
      input: null,
      input_text: "{",
    };
    const prompt = assemblePrompt(
      null,
      [user(t("a")), assistant([broken, callPart("2", [1])]), tool(result("1", "no JSON", true))],
      target("anthropic"),
    );
    expect(prompt[1]).toMatchObject({ content: [{ input: {} }, { input: { input: [1] } }] });
  });

  it("marks errors where the wire has no mark for them", () => {
    const messages = [
      user(t("a")),
      assistant([callPart("1")]),
      tool(result("1", "no such file", true)),
    ];
    const output = (flavour: Flavour) =>
      JSON.stringify(assemblePrompt(null, messages, target(flavour)).at(-1));
    expect(output("openai-compatible")).toContain("Error: no such file");
    expect(output("anthropic")).toContain('"value":"no such file"');
  });

  it("sends reasoning back only to its provider, and only with proof", () => {
    const signed: Part = {
      type: "reasoning",
      text: "hm",
      provider_metadata: { p: { signature: "s" } },
    };
    const bare: Part = { type: "reasoning", text: "bare" };
    const types = (message: PromptMessage, flavour: Flavour, provider = "p") =>
      assemblePrompt(null, [user(t("a")), message, user(t("b"))], { provider, flavour })
        .filter(({ role }) => role === "assistant")
        .flatMap(({ content }) =>
          typeof content === "string" ? [] : content.map(({ type }) => type),
        );
    expect(types(assistant([signed, bare, t("x")]), "anthropic")).toEqual(["reasoning", "text"]);
    expect(types(assistant([signed, t("x")]), "anthropic", "other")).toEqual(["text"]);
    expect(types(assistant([bare, t("x")]), "openai-compatible")).toEqual(["text"]);
    expect(types(assistant([signed]), "anthropic")).toEqual([]);
  });

  it("shows compatible servers their reasoning between the calls of a turn, but not of a partial", () => {
    const bare: Part = { type: "reasoning", text: "bare" };
    const history = (finish_reason: PromptMessage["finish_reason"]) => [
      user(t("a")),
      assistant([bare, callPart("1")], { finish_reason }),
      tool(result("1")),
    ];
    const sent = (finish_reason: PromptMessage["finish_reason"]) =>
      JSON.stringify(assemblePrompt(null, history(finish_reason), target("openai-compatible")));
    expect(sent("tool_calls")).toContain("bare");
    expect(sent("interrupted")).not.toContain("bare");
  });

  it("takes one summary's proof for all summaries of an OpenAI reasoning item", () => {
    const summary = (text: string, itemId: string, enc: string | null): Part => ({
      type: "reasoning",
      text,
      provider_metadata: { openai: { itemId, reasoningEncryptedContent: enc } },
    });
    const prompt = assemblePrompt(
      null,
      [
        user(t("a")),
        assistant([
          summary("1", "x", null),
          summary("2", "x", "e"),
          summary("3", "y", null),
          t("z"),
        ]),
        user(t("b")),
      ],
      target("openai-responses"),
    );
    expect(prompt[1]?.role === "assistant" && prompt[1].content).toMatchObject([
      { text: "1" },
      { text: "2" },
      { text: "z" },
    ]);
  });

  it("drops metadata of another provider, and what only that one runs", () => {
    const search: Part = {
      type: "tool-call",
      tool_call_id: "s",
      tool_name: "web_search",
      input: {},
      provider_executed: true,
      provider_metadata: { q: { a: 1 } },
    };
    const found: Part = { ...result("s"), provider_executed: true } as Part;
    const text: Part = { type: "text", text: "x", provider_metadata: { q: { itemId: "i" } } };
    const message = assistant([search, found, text, { type: "custom", kind: "q.compaction" }], {
      model: "q/m",
    });
    const own = assemblePrompt(null, [user(t("a")), message, user(t("b"))], {
      provider: "q",
      flavour: "anthropic",
    });
    expect(own[1]).toMatchObject({
      content: [
        { type: "tool-call", providerExecuted: true },
        { type: "tool-result" },
        { providerOptions: { q: { itemId: "i" } } },
        { type: "custom" },
      ],
    });
    const other = assemblePrompt(null, [user(t("a")), message, user(t("b"))], target("anthropic"));
    expect(other[1]).toEqual({ role: "assistant", content: [{ type: "text", text: "x" }] });
    expect(roles(other)).toEqual(["user", "assistant", "user"]);
  });

  it("keeps a provider's unanswered call only while it pauses at it", () => {
    const search: Part = {
      type: "tool-call",
      tool_call_id: "s",
      tool_name: "web_search",
      input: {},
      provider_executed: true,
    };
    const paused = assistant([t("x"), search], { finish_reason: "pause" });
    const last = assemblePrompt(null, [user(t("a")), paused], target("anthropic"));
    expect(roles(last)).toEqual(["user", "assistant"]);
    expect(last[1]?.role === "assistant" && last[1].content).toHaveLength(2);
    const later = assemblePrompt(null, [user(t("a")), paused, user(t("b"))], target("anthropic"));
    expect(later[1]?.role === "assistant" && later[1].content).toHaveLength(1);
  });

  it("never lets the model have the last word, or the first", () => {
    const prompt = assemblePrompt(null, [assistant([t("said  ")])], target("anthropic"));
    expect(roles(prompt)).toEqual(["user", "assistant", "user"]);
    expect(prompt[1]?.role === "assistant" && prompt[1].content).toEqual([
      { type: "text", text: "said" },
    ]);
  });

  it("makes ids and names fit providers that are strict about them", () => {
    const odd: Part = {
      type: "tool-call",
      tool_call_id: "functions.add:0",
      tool_name: "my tool!",
      input: {},
    };
    const messages = [
      user(t("a")),
      assistant([odd]),
      tool({ ...result("functions.add:0"), tool_name: "my tool!" } as Part),
    ];
    for (const flavour of ["anthropic", "openai-responses"] as const) {
      const sent = assemblePrompt(null, messages, target(flavour));
      const call = sent[1]?.role === "assistant" ? sent[1].content[0] : undefined;
      const answer = sent[2]?.role === "tool" ? sent[2].content[0] : undefined;
      const id = call?.type === "tool-call" ? call.toolCallId : "";
      expect(id).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
      expect(answer).toMatchObject({ toolCallId: id, toolName: "my_tool_" });
    }
    expect(JSON.stringify(assemblePrompt(null, messages, target("openai-compatible")))).toContain(
      "functions.add:0",
    );
  });

  it("gives files in a form that the provider takes", () => {
    const file = (media_type: string, more: { data?: string; url?: string }): Part => ({
      type: "file",
      media_type,
      filename: "f",
      ...more,
    });
    const shown = (flavour: Flavour, part: Part): string => {
      const [message] = assemblePrompt(null, [user(part)], target(flavour));
      return message?.role === "user" ? (message.content[0]?.type ?? "") : "";
    };
    const data = (bytes: string) => ({ data: Buffer.from(bytes, "latin1").toString("base64") });
    const pngBytes = data("\x89PNG\r\n\x1a\n…");
    const png = file("image/png", pngBytes);
    for (const flavour of flavours) {
      expect(shown(flavour, png)).toBe("file");
      expect(shown(flavour, file("image/png", { url: "https://example.com/a.png" }))).toBe("file");
      expect(
        shown(flavour, file("text/plain", { data: Buffer.from("hello").toString("base64") })),
      ).toBe("text");
      expect(shown(flavour, file("application/zip", { data: "AQI=" }))).toBe("text");
      expect(shown(flavour, file("image/png", { url: "file:///etc/passwd" }))).toBe("text");
      for (const lie of [data("<svg/>"), data(""), { data: "!!!" }, { url: "data:;base64,AQI=" }]) {
        expect(shown(flavour, file("image/png", lie))).toBe("text");
      }
    }
    const [lied] = assemblePrompt(null, [user(file("image/jpg", pngBytes))], target("anthropic"));
    expect(lied?.content[0]).toMatchObject({ type: "file", mediaType: "image/png" });
    expect(shown("openai-compatible", file("application/pdf", data("%PDF-1.7")))).toBe("text");
    expect(shown("anthropic", file("application/pdf", data("%PDF-1.7")))).toBe("file");
  });

  it("is acceptable whatever the history", () => {
    const id = fc.constantFrom("1", "2", "3");
    const text = fc.constantFrom("", " ", "hello", "bye ");
    const part = fc.oneof(
      fc.record({ type: fc.constant("text" as const), text }),
      fc.record({ type: fc.constant("reasoning" as const), text }),
      id.map((each) => callPart(each)),
      id.map((each) => result(each)),
      id.map((each): Part => ({
        type: "tool-call",
        tool_call_id: each,
        tool_name: "s",
        input: {},
        provider_executed: true,
      })),
    ) as fc.Arbitrary<Part>;
    const message = fc.record({
      role: fc.constantFrom("system", "user", "assistant", "tool"),
      parts: fc.array(part, { maxLength: 4 }),
      finish_reason: fc.constantFrom(null, "stop", "interrupted", "pause"),
      model: fc.constantFrom(null, "p/m", "q/m"),
    }) as fc.Arbitrary<PromptMessage>;
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 8 }),
        fc.constantFrom(...flavours),
        (messages, flavour) => {
          const prompt = assemblePrompt(null, messages, target(flavour)).filter(
            ({ role }) => role !== "system",
          );
          if (prompt.length === 0) return;
          expect(prompt[0]?.role).toBe("user");
          prompt.forEach((each, i) => {
            expect(each.content.length).toBeGreaterThan(0);
            const next = prompt[i + 1];
            if (each.role === "user" || each.role === "tool")
              expect(next?.role).not.toBe(each.role);
            if (each.role !== "assistant") return;
            expect(next?.role).not.toBe("assistant");
            const calls = each.content.flatMap((p) =>
              p.type === "tool-call" && p.providerExecuted !== true ? [p.toolCallId] : [],
            );
            const answered =
              next?.role === "tool"
                ? next.content.flatMap((p) => (p.type === "tool-result" ? [p.toolCallId] : []))
                : [];
            expect(answered).toEqual(calls);
          });
        },
      ),
      { numRuns: 500 },
    );
  });
});
