import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import { settingOf } from "../packages/engine/src/config/load.ts";
import { root } from "./architecture/sources.ts";

/** The unit file, as systemd itself reads it. */

/** Of 10, which is no protection at all; what runs JavaScript and speaks to the network cannot get much below 1.5. */
const exposureMax = 2;

const text = readFileSync(join(root, "deploy/systemd/parley@.service"), "utf8");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "parley-unit-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});

/** systemd looks whether the program is there: here it is this Node and this repository. */
function analyze(unit: string, ...args: string[]): { status: number | null; said: string } {
  const file = join(folder, "parley@.service");
  const here = unit
    .replaceAll("/opt/parley/node_modules/.bin/node", process.execPath)
    .replaceAll("/opt/parley/", root);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, here);
  const { status, stdout, stderr } = spawnSync("systemd-analyze", [...args, file], {
    encoding: "utf8",
    env: { ...process.env, SYSTEMD_COLORS: "0" },
  });
  // What it says of other units of this machine is not ours to mend.
  const said = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("parley@"));
  return { status, said: said.join("\n") };
}

it("is accepted", () => {
  expect(analyze(text, "verify", "--man=no")).toEqual({ status: 0, said: "" });
});

it.each([
  ["a key that does not exist", "TimeoutStopSec=45", "TimeoutStop=45"],
  ["a value that is none", "KillMode=mixed", "KillMode=gentle"],
  ["a program that is not there", "ExecStart=/opt", "ExecStart=/nowhere"],
])("would not be with %s", (_what, right, wrong) => {
  expect(text).toContain(right);
  const { said } = analyze(text.replace(right, wrong), "verify", "--man=no");
  expect(said).not.toBe("");
});

it("keeps the server from what it does not need", () => {
  const args = ["security", "--offline=yes", `--threshold=${exposureMax * 10}`];
  const { status, said } = analyze(text, ...args);
  expect(said).toContain("Overall exposure level");
  expect(status).toBe(0);
});

it("gives it more time than the drain's grace", () => {
  const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(text)?.[1]);
  expect(seconds).toBeGreaterThan(Number(settingOf("drainGraceMs").default) / 1_000 + 10);
});
