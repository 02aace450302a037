import type { LivePart } from "@parley/protocol";
import fc from "fast-check";
import { expect, it } from "vitest";
import { livePartJson } from "./live-json.ts";

it("a live part is written as JSON would, whatever is in it", () => {
  const text = fc.string({ unit: "binary" });
  const index = fc.nat();
  const part: fc.Arbitrary<LivePart> = fc.oneof(
    fc.record({ type: fc.constant("text" as const), index, delta: text }),
    fc.record({ type: fc.constant("reasoning" as const), index, delta: text }),
    fc.record({ type: fc.constant("text" as const), index, text }),
    fc.record({ type: fc.constant("tool-progress" as const), tool_call_id: text, progress: text }),
  );
  fc.assert(
    fc.property(part, (live) => {
      expect(livePartJson(live)).toBe(JSON.stringify(live));
    }),
  );
});
