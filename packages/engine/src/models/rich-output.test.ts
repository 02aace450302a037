import { describe, expect, test } from "vitest";
import { resultContent } from "./prompt-parts.ts";
import type { Flavour } from "./prompt.ts";

const picture = { type: "file", media_type: "image/png", data: "iVBORw0KGgo=" };
const output = {
  content: [
    { type: "text", text: "look" },
    picture,
    { type: "resource", uri: "file:///a", title: "a" },
    { type: "file", media_type: "text/plain", data: Buffer.from("inside").toString("base64") },
    { type: "file", media_type: "application/zip", data: "AAEC", filename: "z.zip" },
  ],
};

const shown = (value: unknown, flavour: Flavour) =>
  resultContent(
    {
      type: "tool-result",
      tool_call_id: "1",
      tool_name: "see",
      output: value as never,
      is_error: false,
    },
    { provider: "p", flavour },
  ).output;

describe("a result with pictures", () => {
  test.each(["anthropic", "openai-responses", "google"] as const)("shows them to %s", (flavour) => {
    expect(shown(output, flavour)).toEqual({
      type: "content",
      value: [
        { type: "text", text: "look" },
        { type: "file", mediaType: "image/png", data: { type: "data", data: "iVBORw0KGgo=" } },
        { type: "text", text: '[resource "a" at file:///a]' },
        { type: "text", text: "Attached file (text/plain):\n\ninside" },
        {
          type: "text",
          text: '[Attached file "z.zip" (application/zip), which cannot be shown here]',
        },
      ],
    });
  });

  test.each(["openai-chat", "openai-compatible"] as const)("is words to %s", (flavour) => {
    const told = shown(output, flavour);
    expect(told).toMatchObject({ type: "text", value: expect.stringMatching(/^look\n\[Attached/) });
    expect(JSON.stringify(told)).not.toContain("AAEC");
  });

  test("is not mistaken for data of another shape", () => {
    for (const value of [
      { content: [] },
      { content: "x" },
      { content: [{ type: "file" }] },
      { content: [picture], more: 1 },
      [picture],
    ]) {
      expect(shown(value, "anthropic")).toEqual({ type: "json", value });
    }
  });
});
