import { describe, expect, it } from "vitest";
import { BadValue, boolean, bytes, formatBytes, integer, seconds, url } from "./parsers.ts";

describe("parsers", () => {
  it.each([
    ["1024", 1024],
    ["256KiB", 262_144],
    ["256k", 262_144],
    ["4 MiB", 4_194_304],
    ["4MB", 4_194_304],
  ])("read %s as %i bytes", (text, expected) => {
    expect(bytes(0, 2 ** 30).parse(text)).toBe(expected);
  });

  it.each([
    [0, "0"],
    [1000, "1000"],
    [1536, "1536"],
    [2048, "2KiB"],
    [4_194_304, "4MiB"],
  ])("write %i bytes as %s", (value, expected) => {
    expect(formatBytes(value)).toBe(expected);
  });

  it.each([["1e3"], ["0x10"], ["1.5"], [""], ["9".repeat(30)]])("refuse the integer %s", (text) => {
    expect(() => integer(0, 100).parse(text)).toThrow(BadValue);
  });

  it("read seconds as milliseconds and both words for a boolean", () => {
    expect(seconds(0, 10).parse("1.5")).toBe(1500);
    expect([boolean.parse("ON"), boolean.parse("0")]).toEqual([true, false]);
  });

  it("read URLs of the given schemes, without a slash at the end", () => {
    expect(url("http", "https").parse("https://a.test/v1/")).toBe("https://a.test/v1");
    for (const text of ["a.test", "ftp://a", "http://", "htps://a"]) {
      expect(() => url("http", "https").parse(text), text).toThrow(BadValue);
    }
  });
});
