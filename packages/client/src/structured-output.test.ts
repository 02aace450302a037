import type { Message, Part } from "@parley/protocol";
import { expect, test } from "vitest";
import { structuredOutput } from "./structured-output.ts";

const message = (id: number, role: Message["role"], parts: Part[], asks = false): Message => ({
  id,
  chat_id: "01981a7e-0000-7000-8000-000000000001",
  role,
  visibility: "both",
  revision: id,
  parts,
  ...(asks ? { response_format: { type: "json_schema", schema: {} } } : {}),
  model: null,
  usage: null,
  finish_reason: null,
  episode: null,
  is_boundary: false,
  replaces: null,
  client_id: null,
  created_by: null,
  created_at: "2026-01-01T00:00:00.000Z",
});
const outcome = (value: number, over: object = {}): Part => ({
  type: "structured-output",
  outcome: "valid",
  value,
  ...over,
});
const wrong = { outcome: "invalid", errors: [{ path: "", message: "must be even" }] };

test("the outcome of the newest turn that asked for one, or of the turn that is meant", () => {
  const messages = [
    message(1, "user", [], true),
    message(2, "assistant", [outcome(1, { ...wrong, repairing: true })]),
    message(3, "assistant", [outcome(2)]),
    message(4, "user", [], true),
    message(5, "assistant", [outcome(3, wrong)]),
  ];
  expect(structuredOutput(messages)).toMatchObject({
    outcome: "invalid",
    value: 3,
    errors: wrong.errors,
    message: { id: 5 },
  });
  expect(structuredOutput(messages, { turn: 1 })).toMatchObject({ outcome: "valid", value: 2 });
  expect(structuredOutput(messages, { turn: 9 })).toBeNull();
});

test("nothing while the reply is written or repaired", () => {
  const asked = [message(1, "user", [], true)];
  expect(structuredOutput(asked)).toBeNull();
  const told = message(2, "assistant", [outcome(1, { ...wrong, repairing: true })]);
  expect(structuredOutput([...asked, told])).toBeNull();
  expect(structuredOutput([message(1, "user", []), message(2, "assistant", [])])).toBeNull();
});

test("the value has the type that parsing gives it", () => {
  const messages = [message(1, "user", [], true), message(2, "assistant", [outcome(2)])];
  const found = structuredOutput(messages, { parse: (value) => `${value as number}` });
  expect(found?.outcome === "valid" && found.value.padStart(3, "0")).toBe("002");
  const parse = (): never => {
    throw new TypeError("no");
  };
  expect(() => structuredOutput(messages, { parse })).toThrow(TypeError);
});
