import { describe, expect, test } from "vitest";
import { Reach } from "../tools/mcp/reach.ts";
import { mcpSettings } from "./mcp-settings.ts";

const { parser } = mcpSettings.mcpPrivateHosts;

describe("PARLEY_MCP_PRIVATE_HOSTS", () => {
  test("is a list, and whatever it takes can be opened", () => {
    const text = "mcp.internal, *.tools.internal,10.1.0.0/16,127.0.0.1, ::1 ,fd00::/8,[fe80::1],";
    const hosts = parser.parse(text);
    expect(hosts).toHaveLength(7);
    const reach = new Reach(hosts);
    for (const address of ["10.1.2.3", "127.0.0.1", "::1", "fd12::1", "fe80::1"]) {
      expect(reach.has(address)).toBe(true);
    }
    expect(reach.opens("a.tools.internal")).toBe(true);
    expect(parser.parse(parser.format(hosts))).toEqual(hosts);
  });

  test.each([
    "http://mcp.internal/",
    "mcp internal",
    "a*b",
    "mcp.internal:80",
    "10.0.0.0/8/8",
    "10.0.0.0/33",
    "256.0.0.0/8",
    "::1/129",
  ])("%s is refused", (text) => {
    expect(() => parser.parse(text)).toThrow(/host names/);
  });
});
