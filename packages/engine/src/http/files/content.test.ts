import { describe, expect, test } from "vitest";
import { FileLinks } from "./links.ts";
import { cleanName, disposition } from "./name.ts";
import { rangeOf } from "./range.ts";

describe("names", () => {
  test.each([
    ["report.pdf", "report.pdf"],
    ["../../etc/passwd", "passwd"],
    ["C:\\Users\\me\\a b.txt", "a b.txt"],
    ["bad\0\r\nname\u202Etxt.exe", "badnametxt.exe"],
    ["Grüße 世界.md", "Grüße 世界.md"],
    ["half \ud800", "half \ufffd"],
    ["..", "file"],
    ["  ", "file"],
    ["a/", "file"],
    [undefined, "file"],
    ["x".repeat(300), "x".repeat(255)],
  ])("%j is kept as %j", (given, kept) => {
    expect(cleanName(given)).toBe(kept);
  });

  test("a long name is never cut within a character", () => {
    const name = cleanName("🎉".repeat(200));
    expect(name.length).toBeLessThanOrEqual(255);
    expect(name.isWellFormed()).toBe(true);
  });

  test("cannot break out of their header", () => {
    expect(disposition("attachment", 'a"; x="Grüße*%41\\.pdf')).toBe(
      `attachment; filename="a_; x=_Gr__e*_41_.pdf"; filename*=UTF-8''a%22%3B%20x%3D%22Gr%C3%BC%C3%9Fe%2A%2541%5C.pdf`,
    );
  });
});

describe("ranges", () => {
  test.each([
    ["bytes=0-", 0, 10],
    ["bytes=2-4", 2, 5],
    ["bytes=9-9", 9, 10],
    ["bytes=5-99", 5, 10],
    ["bytes=-3", 7, 10],
    ["bytes=-99", 0, 10],
    ["Bytes = 1 - 2", 1, 3],
  ])("%s", (header, start, end) => {
    expect(rangeOf(header, 10)).toEqual({ start, end });
  });

  test.each(["bytes=10-", "bytes=10-12", "bytes=-0"])("%s lies outside", (header) => {
    expect(rangeOf(header, 10)).toBe("unsatisfiable");
  });

  test.each([undefined, "", "bytes=", "bytes=-", "bytes=4-2", "bytes=0-1,3-4", "lines=1-2", "x"])(
    "%s is not honoured",
    (header) => {
      expect(rangeOf(header, 10)).toBeNull();
    },
  );
});

describe("links", () => {
  const links = new FileLinks("secret");
  const now = 1_000_000_000;
  const link = links.sign("file-1", now + 5_000);

  test("are good for their file until their time is over, on every server with the secret", () => {
    expect(new FileLinks("secret").isValid("file-1", link, now)).toBe(true);
    expect(links.isValid("file-1", link, now + 4_999)).toBe(true);
    expect(links.isValid("file-1", link, now + 5_000)).toBe(false);
  });

  test("are good for nothing else", () => {
    expect(links.isValid("file-2", link, now)).toBe(false);
    expect(links.isValid("file-1", { ...link, expires: link.expires + 1 }, now)).toBe(false);
    expect(links.isValid("file-1", { ...link, signature: "" }, now)).toBe(false);
    expect(links.isValid("file-1", { ...link, signature: link.signature.slice(1) }, now)).toBe(
      false,
    );
    expect(new FileLinks("other").isValid("file-1", link, now)).toBe(false);
  });
});
