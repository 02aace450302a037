import { describe, expect, it } from "vitest";
import { defaultHttpLimits } from "../limits.ts";
import { InvalidRequest, PayloadTooLarge } from "../errors.ts";
import { checkChatLimits } from "./chat-limits.ts";

const limits = {
  ...defaultHttpLimits,
  systemPromptBytesMax: 4,
  clientToolsMax: 1,
  labelsMax: 1,
};
const tool = { name: "a", input_schema: {} };

describe("checkChatLimits", () => {
  it("lets through what is within the limits, and what is not there", () => {
    checkChatLimits({}, { limits });
    const full = { system_prompt: "four", client_tools: [tool], labels: { a: "1" } };
    expect(() => checkChatLimits(full, { limits })).not.toThrow();
    expect(() => checkChatLimits({ system_prompt: null }, { limits })).not.toThrow();
  });

  it("counts a system prompt in bytes", () => {
    expect(() => checkChatLimits({ system_prompt: "ééé" }, { limits })).toThrow(PayloadTooLarge);
  });

  it("refuses too many tools and labels", () => {
    const tools = { client_tools: [tool, { ...tool, name: "b" }] };
    expect(() => checkChatLimits(tools, { limits })).toThrow(InvalidRequest);
    const labels = { labels: { a: "1", b: "2" } };
    expect(() => checkChatLimits(labels, { limits })).toThrow(InvalidRequest);
  });
});
