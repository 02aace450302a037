import { expect, test } from "vitest";
import { offeredSchema } from "./tool-schema.ts";

const a = { type: "string" };

test("a plain schema stays as it is", () => {
  const schema = { type: "object", properties: { a }, required: ["a"], $defs: { x: a } };
  expect(offeredSchema(schema)).toEqual(schema);
  expect(offeredSchema({})).toEqual({ type: "object", properties: {} });
});

test("alternatives at the top are shown as the properties of all of them, and nothing below is touched", () => {
  const below = { anyOf: [{ type: "string" }, { type: "null" }] };
  expect(
    offeredSchema({
      type: "object",
      properties: { below },
      required: ["below"],
      anyOf: [{ properties: { a }, required: ["a"] }, { properties: { b: a } }, true],
      allOf: [{ properties: { c: a, below: a }, required: ["c"] }],
      not: { required: ["d"] },
    }),
  ).toEqual({
    type: "object",
    properties: { a, b: a, c: a, below },
    required: ["below", "c"],
  });
});
