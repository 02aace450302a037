import { describe, expect, it } from "vitest";
import { checks, modelText, mutations, nameOf, outcomeOf, runCheck } from "./model/checks.ts";

describe("the model of the protocol", () => {
  it.each(checks.map((check) => [nameOf(check), check] as const))("holds: %s", (_, check) => {
    const { complaint, states } = runCheck(check);
    expect(complaint).toBeUndefined();
    expect(states).toBeGreaterThan(1000);
  });

  it.each(mutations.map((check) => [nameOf(check), check] as const))("fails: %s", (_, check) => {
    expect(runCheck(check).complaint).toContain(check.complaint);
  });

  it("has a run for each rule that can be left out", () => {
    const named = (["chat", "cursor"] as const).flatMap((model) =>
      [...modelText(model).matchAll(/^#(?:if|elif|ifdef|ifndef) ?(?:!?defined\()?([A-Z_]+)/gm)]
        .map(([, name]) => name ?? "")
        .filter((name) => /_/.test(name)),
    );
    expect(new Set(mutations.flatMap(({ defines }) => defines))).toEqual(new Set(named));
  });

  it("takes a search that was cut off for none", () => {
    const report = "error: max search depth too small\n(Spin Version 6)\nerrors: 0\n";
    expect(() => outcomeOf(report)).toThrow("did not finish");
  });
});
