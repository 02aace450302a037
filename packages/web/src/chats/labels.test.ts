import { expect, test } from "vitest";
import { labelsOf, labelsText, parseLabels } from "./labels.ts";

test("what is written is read back as it was", () => {
  const labels = { urgent: "", team: "support", url: "a:b" };
  expect(parseLabels(labelsText(labels))).toEqual(labels);
});

test.each([
  ["", {}],
  [" , ,", {}],
  ["urgent", { urgent: "" }],
  ["team:support,  urgent ", { team: "support", urgent: "" }],
  ["team: a, team: b", { team: "b" }],
  [": nothing", {}],
  ["when: 10:30", { when: "10:30" }],
])("%j becomes labels", (text, labels) => {
  expect(parseLabels(text)).toEqual(labels);
});

test("filters name a label by key and value", () => {
  expect(labelsOf({ labels: { team: "support", urgent: "" } })).toEqual([
    "team:support",
    "urgent:",
  ]);
});
