import { PassThrough } from "node:stream";
import { beforeEach, expect, it } from "vitest";
import { openTerminal, type Terminal } from "./terminal.ts";

let input: PassThrough;
let written: string;
let interrupts: boolean[];
let closed: boolean;
let terminal: Terminal;

beforeEach(() => {
  input = new PassThrough();
  written = "";
  interrupts = [];
  closed = false;
  const output = new PassThrough();
  output.on("data", (chunk: Buffer) => (written += chunk.toString()));
  terminal = openTerminal({
    input,
    output,
    onInterrupt: (typing) => interrupts.push(typing),
    onClose: () => (closed = true),
  });
});

/** Types, and gives what was written because of it. Streams hand on in the next turn of the loop. */
async function type(keys: string): Promise<string> {
  await turn();
  const before = written.length;
  input.write(keys);
  await turn();
  return written.slice(before);
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

it("output runs on without a prompt until a key is pressed", async () => {
  terminal.write("Once ");
  terminal.write("upon");
  await turn();
  expect(written).toBe("Once upon");
  expect(await type("h")).toContain("\n\u001b[1G\u001b[0J> ");
});

it("what is written while a line is being typed comes after it", async () => {
  terminal.write("Once ");
  await type("/qu");
  terminal.write("upon a time");
  expect(await type("eue")).not.toContain("upon");
  expect(await type("\r")).toMatch(/upon a time$/);
  const { value } = await terminal.lines[Symbol.asyncIterator]().next();
  expect(value).toBe("/queue");
});

it("what is written while a line is being typed comes at once when the line is taken back", async () => {
  await type("x");
  terminal.write("news\n");
  expect(await type("\u007f")).toMatch(/\r\u001b\[Knews\n$/);
});

it("a prompt with nothing on it gives way", async () => {
  terminal.showPrompt();
  await turn();
  const before = written.length;
  terminal.write("news\n");
  await turn();
  expect(written.slice(before)).toBe("\r\u001b[Knews\n");
});

it("a line that the prompt has broken is not ended twice", async () => {
  terminal.write("half");
  terminal.showPrompt();
  terminal.write("\n");
  terminal.write("next\n");
  await turn();
  expect(written).toMatch(/half\n.*> .*\r\u001b\[Knext\n$/);
});

it("Ctrl-C says whether something is being typed, and the line can be dropped", async () => {
  await type("\u0003");
  await type("abc\u0003");
  expect(interrupts).toEqual([false, true]);
  terminal.clearLine();
  await type("\u0003");
  expect(interrupts).toEqual([false, true, false]);
});

it("the end of the input ends the lines", async () => {
  await type("\u0004");
  expect(closed).toBe(true);
  const { done } = await terminal.lines[Symbol.asyncIterator]().next();
  expect(done).toBe(true);
  terminal.showPrompt();
  terminal.close();
});
