import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutOutput, cutText, mediaBytesMax } from "./cut-output.ts";
import { OutputShare } from "./output-share.ts";

const picture = (bytes: number) => ({
  type: "file" as const,
  media_type: "image/png",
  data: "A".repeat(bytes),
});

describe("cutText", () => {
  it("leaves what has exactly its limit alone, and cuts with one byte more", () => {
    const text = "é".repeat(50);
    expect(cutText(text, 100)).toBe(text);
    expect(cutText(`${text}x`, 100)).toMatch(/^é+\n\n\[… 101 bytes, cut to 100 …\]\n\né+x$/);
  });

  it("never goes beyond the limit, and never cuts a character", () => {
    const letters = fc.array(fc.constantFrom("a", "é", "€", "👍"), { maxLength: 300 });
    fc.assert(
      fc.property(letters, fc.nat(400), (units, bytesMax) => {
        const cut = cutText(units.join(""), bytesMax);
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(bytesMax);
        expect(cut).not.toContain("\ufffd");
      }),
    );
  });
});

describe("cutOutput", () => {
  it("keeps pictures whole, however long the text may be", () => {
    const output = { content: [{ type: "text", text: "see" }, picture(400_000)] };
    expect(cutOutput(output, 1_000)).toEqual(output);
    const long = { content: [picture(400_000), { type: "text", text: "x".repeat(5_000) }] };
    const cut = cutOutput(long, 1_000);
    expect(cut).toEqual({
      content: [{ type: "text", text: expect.stringContaining("cut to 1000") }, picture(400_000)],
    });
  });

  it("leaves out what is more than may be kept, and says so", () => {
    const left = { type: "text", text: "[a file of type image/png was left out: 1536 KiB]" };
    expect(cutOutput({ content: [picture(mediaBytesMax), picture(mediaBytesMax)] }, 100)).toEqual({
      content: [picture(mediaBytesMax), left],
    });
    const share = new OutputShare(10_000, 6);
    const kept = Array.from({ length: 6 }, () => {
      const output = share.output({ content: [picture(mediaBytesMax)] }, 10_000);
      return JSON.stringify(output).includes("left out");
    });
    expect(kept).toEqual([false, false, false, false, true, true]);
  });
});
