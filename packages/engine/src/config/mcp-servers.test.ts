import { describe, expect, it } from "vitest";
import { mcpSecrets, parseMcpServers } from "./mcp-servers.ts";

const env = { TOKEN: "sesame", EMPTY: "" };
const parse = (value: unknown) =>
  parseMcpServers(JSON.stringify(value), env, () => {
    throw new Error("no such file");
  });

describe("PARLEY_MCP_SERVERS", () => {
  it("describes servers over HTTP and servers that are processes", () => {
    const { servers, problems } = parse([
      {
        name: "web",
        url: "https://example.com/mcp",
        headers: { "X-A": "1" },
        headers_env: { "X-B": "TOKEN" },
        token_env: "TOKEN",
        deny: ["rm*"],
      },
      {
        name: "own-tools",
        command: "node",
        args: ["x.js"],
        env: { A: "b" },
        env_from: ["TOKEN"],
        approval: "always",
        timeout_seconds: 5,
      },
    ]);
    expect(problems).toEqual([]);
    expect(servers).toEqual([
      {
        name: "web",
        endpoint: {
          type: "http",
          url: "https://example.com/mcp",
          headers: { "X-A": "1", "X-B": "sesame" },
          auth: { type: "bearer", token: "sesame" },
        },
        allow: null,
        deny: ["rm*"],
        approval: "never",
        delivery: "annotated",
        timeoutMs: 60_000,
        outputBytesMax: 65_536,
      },
      expect.objectContaining({
        name: "own-tools",
        endpoint: {
          type: "stdio",
          command: "node",
          args: ["x.js"],
          env: { A: "b", TOKEN: "sesame" },
          cwd: null,
        },
        approval: "always",
        timeoutMs: 5_000,
      }),
    ]);
    expect(mcpSecrets(servers)).toEqual(["1", "sesame", "sesame", "b", "sesame"]);
  });

  it("is read from a file where it is no array", () => {
    const text = '[{"name": "a", "url": "http://127.0.0.1/"}]';
    expect(parseMcpServers("/etc/mcp.json", env, () => text).servers).toHaveLength(1);
    expect(parseMcpServers("/etc/mcp.json", env, () => "{").problems).toEqual([
      "the file holds no valid JSON",
    ]);
  });

  it.each([
    [[{ name: "a__b", url: "http://x/" }], /0\.name: must not hold two underscores/],
    [[{ name: "a_", url: "http://x/" }], /0\.name: must be letters/],
    [[{ name: "a", url: "file:///etc/passwd" }], /0\.url/],
    [[{ name: "a", url: "http://x/", args: ["x"] }], /args/],
    [[{ name: "a", command: "x", url: "http://x/" }], /url/],
    [[{ name: "a", url: "http://x/", token_env: "EMPTY" }], /a: the variable EMPTY is not set/],
    [[{ name: "a", url: "http://x/", token: "x", token_file: "y" }], /exclude each other/],
    [
      [{ name: "a", url: "http://x/", oauth: { issuer: "https://i/", client_id: "c" } }],
      /client_secret/,
    ],
    [[{ name: "a", url: "http://x/", headers: { "X-A": "a\nb" } }], /one line/],
    [
      [
        { name: "a", url: "http://x/" },
        { name: "a", url: "http://y/" },
      ],
      /same name/,
    ],
    [{ name: "a" }, /neither a JSON array/],
  ])("refuses %j", (value, problem) => {
    const { problems } = parse(value);
    expect(problems.join("\n")).toMatch(problem);
    expect(problems.join("\n")).not.toContain("sesame");
  });
});
