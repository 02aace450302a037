import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { eventually } from "../../../test/eventually.ts";
import { testWorkspace } from "../../../test/workspace.ts";
import { OutputLog } from "./output-log.ts";
import { findProgram } from "./programs.ts";
import { findSandbox, defaultCommandLimits } from "./sandbox.ts";

const path = process.env["PATH"] ?? "";
const { bubblewrap } = await findSandbox(
  { root: "/tmp", path, limits: defaultCommandLimits, network: true, readable: [] },
  { useBubblewrap: true },
);
const prlimit = await findProgram("prlimit", path);

const text = (value: unknown): string => {
  if (typeof value !== "string") throw new Error("no text");
  return value.replace(/after [\d.]+ s/g, "after");
};

// Under bubblewrap where it is installed and may make namespaces; see docs/tools.md.
describe.each([false, ...(bubblewrap === null ? [] : [true])])(
  "a command, under bubblewrap: %s",
  (useBubblewrap) => {
    const setup = async (files: Record<string, string> = {}) =>
      await testWorkspace(files, { bubblewrap: useBubblewrap });

    test("runs, and says how it ended", async () => {
      const { call } = await setup({ "sub/x": "hello" });
      expect(
        text(await call("run_command", { command: "cat x; echo; echo oops >&2", folder: "sub" })),
      ).toBe(
        "process 1 ended with exit code 0, after: cat x; echo; echo oops >&2\n\nhello\noops\n",
      );
      expect(text(await call("run_command", { command: "exit 3" }))).toBe(
        "process 2 ended with exit code 3, after: exit 3\n\n[no output]",
      );
      expect(text(await call("run_command", { command: "pwd", folder: "sub" }))).toMatch(
        /\/inside\/sub\n$/,
      );
      await expect(call("run_command", { command: "x", folder: "../outside" })).rejects.toThrow(
        /leads out/,
      );
      await expect(call("run_command", { command: "x", folder: "sub/x" })).rejects.toThrow(
        /no folder/,
      );
    });

    test("goes on in the background, takes input, tells more, and hears signals", async () => {
      const { call } = await setup();
      const command =
        "trap 'echo got it; exit 7' INT; echo ready; while read line; do echo \"<$line>\"; done; sleep 60 & wait";
      expect(text(await call("run_command", { command, wait_seconds: 0 }))).toMatch(
        /^process 1 is running, after/,
      );
      expect(text(await call("read_output", { process: "1", wait_seconds: 30 }))).toMatch(
        /\n\nready\n\n\[end of output so far: byte 6\]$/,
      );
      await call("write_input", { process: "1", text: "hä\n" });
      expect(
        text(await call("read_output", { process: "1", offset: 6, wait_seconds: 30 })),
      ).toContain("<hä>");
      await call("write_input", { process: "1", text: "", end: true });
      await expect(call("write_input", { process: "1", text: "x" })).rejects.toThrow(
        /does not read/,
      );
      expect(text(await call("list_processes"))).toMatch(/^process 1 is running/);
      await eventually("the trap was heard", async () => {
        await call("send_signal", { process: "1", signal: "SIGINT" });
        return text(await call("list_processes")).includes("exit code 7");
      });
      expect(text(await call("read_output", { process: "1", offset: 12 }))).toContain("got it");
      await expect(call("read_output", { process: "9" })).rejects.toThrow(
        "There is no process 9. Known: 1.",
      );
    });

    test("is ended with everything that it started when its time is up", async () => {
      const { call, folder } = await setup();
      const command =
        "(trap '' TERM; echo $BASHPID > pid; while true; do sleep 300; done) & sleep 300";
      const answer = text(
        await call("run_command", { command, timeout_seconds: 1, wait_seconds: 60 }),
      );
      expect(answer).toMatch(/^process 1 was ended because its time was up/);
      if (!useBubblewrap) {
        const pid = (await readFile(join(folder, "pid"), "utf8")).trim();
        // Gone, or dead and not yet collected by whoever has inherited it.
        await eventually("the orphan is dead", async () => {
          const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ") X");
          return /\) [XZ]/.test(stat);
        });
      }
    });

    test("is ended when its call is stopped", async () => {
      const { call } = await setup();
      const stop = new AbortController();
      const progress: unknown[] = [];
      const running = call(
        "run_command",
        { command: "echo begun; sleep 300" },
        {
          signal: stop.signal,
          progress: (value) => {
            progress.push(value);
            stop.abort();
          },
        },
      );
      await running;
      expect(progress).toEqual(["begun\n"]);
      await eventually(
        "it has ended",
        async () =>
          text(await call("list_processes")).includes("was ended by SIGTERM") ||
          text(await call("list_processes")).includes("ended with exit code"),
      );
    });

    test("has nothing of our environment, and limits", async () => {
      process.env["PARLEY_TEST_SECRET"] = "secret";
      const { call } = await setup();
      expect(await call("run_command", { command: "env" })).not.toContain("secret");
      const limits = text(
        await call("run_command", { command: "ulimit -c; ulimit -t; ulimit -n" }),
      );
      expect(limits).toContain("\n\n0\n3600\n4096\n");
      if (prlimit === null) return;
      const hungry = `exec ${process.execPath} -e 'const a=[]; for(;;) a.push(Buffer.alloc(64<<20, 1))'`;
      expect(text(await call("run_command", { command: hungry }))).not.toContain("exit code 0");
    });

    test("shows head and tail of a long output; the middle can be read", async () => {
      const { call } = await setup();
      const answer = text(await call("run_command", { command: "seq 1 20000; echo END" }));
      expect(answer).toMatch(/\n1\n2\n[^]*cut to[^]*20000\nEND\n[^]*up to byte 108898\]$/);
      const page = text(await call("read_output", { process: "1", offset: 50_000 }));
      expect(page).toMatch(/\[go on with offset 82768\]$/);
    });

    test("ends with the workspace", async () => {
      const workspace = await setup();
      await workspace.call("run_command", { command: "sleep 300", wait_seconds: 0 });
      await workspace.processes?.stop();
      expect(text(await workspace.call("list_processes"))).not.toContain("running");
    });
  },
);

describe.runIf(bubblewrap !== null)("bubblewrap", () => {
  test("hides what is outside, and lets nothing be changed there", async () => {
    const { call, outside, folder } = await testWorkspace({}, { bubblewrap: true });
    const run = async (command: string): Promise<string> =>
      text(await call("run_command", { command }));
    expect(await run(`cat ${outside}/secret`)).toMatch(/No such file/);
    expect(await run(`ln -s ${outside}/secret l && cat l`)).toMatch(/No such file/);
    expect(await run("touch /usr/x")).toMatch(/Read-only|Permission denied/);
    expect(await run("cat /etc/shadow | wc -c")).toMatch(/\n0\n$/);
    expect(await run("ls /root /home 2>&1")).toMatch(/No such file|cannot access/);
    expect(await run(`echo made > f && cat ${folder}/f`)).toMatch(/\nmade\n$/);
    expect(await run("node --version")).toMatch(/\nv\d+/);
  });

  test("takes the network away where that is asked for", async () => {
    const { call } = await testWorkspace({}, { bubblewrap: true, network: false });
    const answer = await call("run_command", { command: "cat /proc/net/dev | grep -c :" });
    expect(answer).toMatch(/\n1\n$/);
  });
});

test("too many commands at once are refused, and old ones are forgotten", async () => {
  const { call } = await testWorkspace();
  for (let i = 0; i < 40; i++) await call("run_command", { command: "true" });
  expect(text(await call("list_processes")).split("\n")).toHaveLength(32);
  for (let i = 0; i < 16; i++) await call("run_command", { command: "sleep 300", wait_seconds: 0 });
  await expect(call("run_command", { command: "true" })).rejects.toThrow(/16 commands are running/);
});

test("a workspace without commands has none", async () => {
  const { call } = await testWorkspace({}, { commands: false });
  await expect(call("run_command", { command: "true" })).rejects.toThrow(/no tool/);
});

test("an output log keeps its end, and never cuts a character", () => {
  const log = new OutputLog(10);
  log.append(Buffer.from("abc"));
  expect(log.read(0, 2)).toEqual({ text: "ab", next: 2, dropped: 0 });
  log.append(Buffer.from("defghijäx"));
  expect(log.end).toBe(13);
  expect(log.read(0, 100)).toEqual({ text: "defghijäx", next: 13, dropped: 3 });
  expect(log.read(10, 1)).toEqual({ text: "", next: 10, dropped: 0 });
  expect(log.read(10, 2)).toEqual({ text: "ä", next: 12, dropped: 0 });
  expect(log.read(99, 5)).toEqual({ text: "", next: 13, dropped: 0 });
  expect(log.tail(2)).toBe("\ufffdx");
});
