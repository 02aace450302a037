import { describe, expect, it } from "vitest";
import { testCli } from "../../test/cli-context.ts";
import { settingKeys, settingOf } from "../config/load.ts";
import { runCli } from "./program.ts";

async function run(args: string[], env: Record<string, string> = {}) {
  const { context, out, err } = testCli(env);
  const code = await runCli(args, context);
  return { code, out: out(), err: err() };
}

describe("parley", () => {
  it("prints its version and its help on standard output", async () => {
    expect(await run(["--version"])).toMatchObject({ code: 0, out: "0.1.0\n", err: "" });
    const { code, out, err } = await run(["--help"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    for (const name of ["serve", "chat", "token", "migrate", "doctor"]) expect(out).toContain(name);
  });

  it("shows every setting that has a flag in the help of serve", async () => {
    const { out } = await run(["serve", "--help"]);
    const flags = settingKeys.flatMap((key) => settingOf(key).flag ?? []);
    expect(flags.filter((flag) => !out.includes(`--${flag} `))).toEqual([]);
  });

  it.each([
    [[], "Usage: parley"],
    [["sevre"], "Did you mean serve?"],
    [["serve", "--prot", "1"], "Did you mean --port?"],
    [["serve", "--port"], "argument missing"],
    [["serve", "extra"], "too many arguments"],
    [["serve", "--port", "70000"], "parley: --port 70000: must be a whole number from 0 to 65535"],
    [["token", "revoke"], "missing required argument"],
    [["token", "revoke", "parley_abc"], "is no token id"],
    [["token", "create", "--days", "0"], "parley: --days 0: must be a whole number"],
    [["token", "create", "--principal", "a b"], "--principal a b: must be"],
    [["chat", "--url", "example.org"], "must be a URL"],
  ])("answers %j with exit code 2 and what is wrong", async (args, message) => {
    const { code, out, err } = await run(args, { PARLEY_DATA_DIR: "/nonexistent/parley" });
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(message);
  });

  it("refuses every bad variable at once, before anything is started", async () => {
    const { code, err } = await run(["serve"], { PARLEY_PROT: "1", PARLEY_POOL_SIZE: "many" });
    expect(code).toBe(2);
    expect(err.trimEnd().split("\n")).toEqual([
      "parley: PARLEY_PROT is not a setting. Did you mean PARLEY_PORT?",
      "parley: PARLEY_POOL_SIZE=many: must be a whole number from 2 to 200.",
    ]);
  });

  it("says how to find a server when there is none to talk to", async () => {
    const { code, err } = await run(["chat"], { PARLEY_DATA_DIR: "/nonexistent/parley" });
    expect(code).toBe(1);
    expect(err).toContain('Start one with "parley serve"');
  });

  it("does not give the token of one server to another", async () => {
    const env = { PARLEY_DATA_DIR: "/nonexistent/parley" };
    const { code, err } = await run(["chat", "--url", "http://127.0.0.1:1"], env);
    expect(code).toBe(2);
    expect(err).toContain("There is no token for http://127.0.0.1:1");
  });
});
