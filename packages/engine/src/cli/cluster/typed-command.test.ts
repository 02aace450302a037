import type { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { testCli } from "../../../test/cli-context.ts";
import { within } from "../../../test/eventually.ts";
import { Scope } from "../../lib/scope.ts";
import { parseCommand } from "./typed-command.ts";
import { TypedCommands } from "./typed-commands.ts";

const names = ["1", "2"];

test.each([
  ["kill 2", { kind: "kill", name: "2" }],
  ["  term   1 ", { kind: "term", name: "1" }],
  ["start 1", { kind: "start", name: "1" }],
  ["list", { kind: "list" }],
  ["quit", { kind: "quit" }],
  ["", { kind: "nothing" }],
  ["kill", { kind: "mistake", text: "kill which one? 1, 2." }],
  ["kill 3", { kind: "mistake", text: "kill which one? 1, 2." }],
  ["kill 1 2", { kind: "mistake", text: "kill which one? 1, 2." }],
  ["list 1", { kind: "mistake", text: 'There is no "list 1"; "help" lists what there is.' }],
  ["explode", { kind: "mistake", text: 'There is no "explode"; "help" lists what there is.' }],
])("%s", (line, command) => {
  expect(parseCommand(line, names)).toEqual(command);
});

test("what is typed is done, and answered where it cannot be", async () => {
  const cli = testCli();
  const done: string[] = [];
  const quit = Promise.withResolvers<void>();
  const scope = new Scope(() => {});
  const members = {
    names,
    list: () => ["  1  process 10", "  2  is not running"],
    signal: (name: string, signal: string) => {
      done.push(`${signal} ${name}`);
      return name === "1";
    },
    start: async (name: string) => name === "2",
  };
  const typed = new TypedCommands(cli.context, members, scope, () => quit.resolve());
  typed.start();
  const stdin = cli.context.stdin as unknown as PassThrough;
  stdin.write("kill 1\nstop 1\ncont 1\nterm 2\nlist\nhelp\nstart 2\nwhat\n");
  await within("the answers", cli.outHas("Replica 2 runs.\n"));
  expect(done).toEqual(["SIGKILL 1", "SIGSTOP 1", "SIGCONT 1", "SIGTERM 2"]);
  expect(cli.out()).toContain("Replica 2 is not running.\n  1  process 10\n  2  is not running\n");
  expect(cli.out()).toContain("kill N    kill -9: it crashes");
  expect(cli.out()).toContain('There is no "what"');
  stdin.write("quit\n");
  await within("the wish to end", quit.promise);
  typed.stop();
  await scope.stop();
});

test("the end of the input is the wish to end", async () => {
  const cli = testCli();
  const quit = Promise.withResolvers<void>();
  const none = { names, list: () => [], signal: () => true, start: async () => true };
  new TypedCommands(cli.context, none, new Scope(() => {}), () => quit.resolve()).start();
  (cli.context.stdin as unknown as PassThrough).end();
  await within("the wish to end", quit.promise);
});
