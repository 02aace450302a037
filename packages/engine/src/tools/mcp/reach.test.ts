import { describe, expect, test } from "vitest";
import { HostRefused, Reach } from "./reach.ts";

const publicOnes = [
  "8.8.8.8",
  "1.1.1.1",
  "100.63.255.255",
  "100.128.0.1",
  "172.15.0.1",
  "172.32.0.1",
  "192.167.1.1",
  "169.253.1.1",
  "2606:4700:4700::1111",
  "2a00:1450:4001::1",
];

const privateOnes: readonly (readonly [string, string])[] = [
  ["0.0.0.0", "this host"],
  ["0.1.2.3", "this network"],
  ["10.0.0.1", "private"],
  ["100.64.0.1", "carriers"],
  ["100.100.100.200", "metadata"],
  ["127.0.0.1", "loopback"],
  ["127.255.255.254", "loopback"],
  ["169.254.169.254", "metadata"],
  ["168.63.129.16", "metadata"],
  ["172.16.0.1", "private"],
  ["172.31.255.255", "private"],
  ["192.0.0.192", "metadata"],
  ["192.0.2.1", "documentation"],
  ["192.168.1.1", "private"],
  ["198.18.0.1", "benchmarks"],
  ["203.0.113.9", "documentation"],
  ["224.0.0.1", "multicast"],
  ["255.255.255.255", "broadcast"],
  ["::", "unspecified"],
  ["::1", "loopback"],
  ["::ffff:127.0.0.1", "mapped loopback"],
  ["::ffff:7f00:1", "mapped loopback"],
  ["::ffff:10.0.0.1", "mapped private"],
  ["::ffff:8.8.8.8", "mapped"],
  ["::127.0.0.1", "compatible"],
  ["64:ff9b::7f00:1", "translated"],
  ["64:ff9b:1::1", "translated"],
  ["2002:7f00:1::", "6to4"],
  ["2001:0:4136::1", "Teredo"],
  ["2001:db8::1", "documentation"],
  ["fe80::1", "link-local"],
  ["fe80::1%eth0", "link-local with a zone"],
  ["fd00:ec2::254", "metadata"],
  ["fc00::1", "unique local"],
  ["fec0::1", "site-local"],
  ["ff02::1", "multicast"],
  ["example.com", "no address"],
  ["", "nothing"],
];

describe("without leave", () => {
  const reach = new Reach();

  test.each(publicOnes)("%s is public", (address) => {
    expect(reach.has(address)).toBe(true);
  });

  test.each(privateOnes)("%s is not (%s)", (address) => {
    expect(reach.has(address)).toBe(false);
  });

  test.each([
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://[::1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://a.localhost/",
    "http://１２７.0.0.1/",
  ])("%s is told from what it is", (url) => {
    expect(() => reach.assertHost(new URL(url).hostname)).toThrow(HostRefused);
  });

  test("a name must be looked up first", () => {
    expect(() => reach.assertHost("mcp.example.com")).not.toThrow();
    expect(() => reach.assertHost("[2606:4700:4700::1111]")).not.toThrow();
  });
});

describe("what is opened", () => {
  const reach = new Reach([
    "mcp.internal",
    "*.tools.internal",
    "10.1.0.0/16",
    "127.0.0.1",
    "[::1]",
  ]);

  test("addresses and networks, and nothing beside them", () => {
    for (const address of ["10.1.2.3", "127.0.0.1", "::1"]) expect(reach.has(address)).toBe(true);
    for (const address of ["10.2.0.1", "127.0.0.2", "::2", "169.254.169.254"]) {
      expect(reach.has(address)).toBe(false);
    }
    expect(() => reach.assertHost("localhost")).not.toThrow();
  });

  test("names, whatever they stand for", () => {
    expect(
      ["mcp.internal", "MCP.internal.", "a.tools.internal"].map((n) => reach.opens(n)),
    ).toEqual([true, true, true]);
    expect(
      ["internal", "x.mcp.internal", "tools.internal", "eviltools.internal"].some((n) =>
        reach.opens(n),
      ),
    ).toBe(false);
  });

  test("what is neither is refused at the start", () => {
    expect(() => new Reach(["http://a/"])).toThrow(RangeError);
  });
});
