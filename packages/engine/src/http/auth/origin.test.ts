import { describe, expect, test } from "vitest";
import { Forbidden } from "../errors.ts";
import { checkCookieUse, checkHost, isLoopbackAddress } from "./origin.ts";

const loopback = { loopbackOnly: true, publicHosts: ["Parley.example:443"] };
const everywhere = { loopbackOnly: false, publicHosts: [] };

describe("the name that is asked for", () => {
  test.each([
    "localhost",
    "localhost:7420",
    "LOCALHOST",
    "parley.localhost:7420",
    "127.0.0.1",
    "127.8.9.1:80",
    "[::1]:7420",
    "parley.example",
    "parley.example:443",
  ])("%s is ours on loopback", (host) => {
    expect(() => checkHost(host, loopback)).not.toThrow();
  });

  test.each([
    undefined,
    "",
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example:7420",
    "parley.example:7420",
    "127.0.0.1@evil.example",
    "localhost/evil",
    "[::2]",
    "0x7f.1",
    "::1",
  ])("%s is not", (host) => {
    expect(() => checkHost(host, loopback)).toThrow(Forbidden);
    expect(() => checkHost(host, everywhere)).not.toThrow();
  });

  test("addresses", () => {
    expect(["127.0.0.1", "::1", "::ffff:127.0.0.1", "localhost"].every(isLoopbackAddress)).toBe(
      true,
    );
    expect(["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.x", ""].some(isLoopbackAddress)).toBe(false);
  });
});

describe("a cookie", () => {
  const use = (headers: Record<string, string>, mutates = true) =>
    checkCookieUse({ headers: { host: "parley.example", ...headers }, mutates }, everywhere);

  test.each([
    [{ origin: "https://parley.example" }],
    [{ origin: "http://parley.example:80" }],
    [{ origin: "https://PARLEY.example:443", "sec-fetch-site": "same-origin" }],
  ] as Record<string, string>[][])("counts for %j", (headers) => {
    expect(() => use(headers)).not.toThrow();
  });

  test.each([
    [{}],
    [{ origin: "null" }],
    [{ origin: "" }],
    [{ origin: "https://evil.example" }],
    [{ origin: "https://parley.example:8080" }],
    [{ origin: "https://parley.example.evil" }],
    [{ origin: "https://parley.example/x" }],
    [{ origin: "chrome-extension://parley.example" }],
    [{ origin: "https://parley.example", "sec-fetch-site": "same-site" }],
    [{ origin: "https://parley.example", "sec-fetch-site": "cross-site" }],
  ] as Record<string, string>[][])("does not for %j", (headers) => {
    expect(() => use(headers)).toThrow(Forbidden);
  });

  test("reads without an origin, and never for a page of others", () => {
    expect(() => use({}, false)).not.toThrow();
    expect(() => use({ "sec-fetch-site": "none" }, false)).not.toThrow();
    expect(() => use({ origin: "https://evil.example" }, false)).toThrow(Forbidden);
    expect(() => use({ "sec-fetch-site": "same-site" }, false)).toThrow(Forbidden);
  });
});
