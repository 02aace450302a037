import fc from "fast-check";
import { expect, test } from "vitest";
import { serverOf, toolName } from "./tool-name.ts";

test("a name is kept where it can be", () => {
  expect(toolName("github", "get_issue")).toBe("github__get_issue");
  expect(toolName("a", "_b")).toBe("a___b");
  expect(serverOf("a___b")).toBe("a");
  expect(serverOf("plain_tool")).toBeNull();
  expect(serverOf("__x")).toBeNull();
});

const server = fc.stringMatching(/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?$/);

test("every name is one that providers take, leads back to its server, and is nobody else's", () => {
  fc.assert(
    fc.property(
      server,
      fc.uniqueArray(fc.string({ unit: "binary", maxLength: 80 })),
      (name, tools) => {
        const names = tools.map((tool) => toolName(name, tool));
        for (const each of names) {
          expect(each).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
          expect(serverOf(each)).toBe(name);
        }
        expect(new Set(names).size).toBe(names.length);
      },
    ),
  );
});
