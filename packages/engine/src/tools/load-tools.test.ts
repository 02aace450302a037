import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadTools, ToolsModuleError } from "./load-tools.ts";

let folder: string;
let modules = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "parley-tools-"));
});
afterAll(async () => await rm(folder, { recursive: true }));

async function module(text: string, extension = "mjs"): Promise<string> {
  modules += 1;
  const path = join(folder, `tools-${modules}.${extension}`);
  await writeFile(path, text);
  return path;
}

async function problem(text: string): Promise<string> {
  const path = await module(text);
  const error: unknown = await loadTools(path).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ToolsModuleError);
  const { message, cause } = error as Error;
  expect(message).toContain(`PARLEY_TOOLS=${path}: `);
  return `${message.slice(message.indexOf(": ") + 2)}${cause instanceof Error ? ` <${cause.message}>` : ""}`;
}

const plain = `{ name: "plain", description: "", input: { type: "object" }, execute: () => "done" }`;

test("an array of definitions, in JavaScript", async () => {
  const [tool] = await loadTools(await module(`export default [${plain}]`));
  expect(tool).toMatchObject({ name: "plain", delivery: "at_most_once", approval: false });
  expect(tool?.validate({ a: 1 })).toEqual({ ok: true, input: { a: 1 } });
});

test("an async function, in TypeScript, with what it is given", async () => {
  const path = await module(
    `interface Kit { defineTool: (d: object) => object; z: any }
     export default async ({ defineTool, z }: Kit): Promise<object[]> => [
       defineTool({ name: "sum", description: "Adds.", input: z.object({ a: z.number() }), approval: ({ a }: { a: number }) => a > 1,
         execute: ({ a }: { a: number }) => a + 1 }),
     ];`,
    "mts",
  );
  const [tool] = await loadTools(path);
  expect(tool?.validate({ a: "x" })).toMatchObject({
    ok: false,
    problem: expect.stringContaining("a:"),
  });
  const approval = tool?.approval;
  expect(typeof approval === "function" && approval({ a: 2 })).toBe(true);
});

test("says what is wrong, and with which tool", async () => {
  expect(await problem(`export const tools = []`)).toMatch(
    /default export must be .* there is none/,
  );
  expect(await problem(`export default "tools"`)).toMatch(/it is a string/);
  expect(await problem(`export default [`)).toMatch(/could not be loaded <.+>/);
  expect(await problem(`throw new Error("no luck")`)).toMatch(/could not be loaded <no luck>/);
  expect(await problem(`export default async () => { throw new Error("no key") }`)).toMatch(
    /default export failed <no key>/,
  );
  expect(await problem(`export default [null]`)).toMatch(/tool 1 must be an object, and is null/);
  expect(await problem(`export default [${plain}, { name: "x" }]`)).toMatch(
    /tool 2 \("x"\) has no description/,
  );
  expect(await problem(`export default [{ ...${plain}, input: undefined }]`)).toMatch(/no input/);
  expect(await problem(`export default [{ ...${plain}, delivery: "once" }]`)).toMatch(
    /unknown delivery: "once"/,
  );
  expect(await problem(`export default [{ ...${plain}, name: "a b" }]`)).toMatch(
    /cannot be defined <.*letters/,
  );
  expect(await problem(`export default [{ ...${plain}, timeoutMs: 0 }]`)).toMatch(/<timeoutMs/);
  expect(await problem(`export default [${plain}, ${plain}]`)).toMatch(/two tools .* "plain"/);
  const missing = loadTools(join(folder, "nowhere.mjs"));
  await expect(missing).rejects.toThrow(/could not be loaded/);
});
