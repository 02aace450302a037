import { execFileSync } from "node:child_process";
import { chmod, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { testWorkspace } from "../../../test/workspace.ts";

const numbers = (count: number): string =>
  Array.from({ length: count }, (_, i) => `line ${i + 1}\n`).join("");

describe("reading", () => {
  test("gives lines with their numbers, in pages", async () => {
    const { call } = await testWorkspace({ "a.txt": numbers(5), empty: "", crlf: "a\r\nb\r\n" });
    expect(await call("read_file", { path: "a.txt", offset: 2, limit: 2 })).toBe(
      "2\tline 2\n3\tline 3\n[lines 2 to 3 of 5; go on with offset 4]",
    );
    expect(await call("read_file", { path: "a.txt", offset: 5 })).toBe("5\tline 5");
    expect(await call("read_file", { path: "a.txt", offset: 6 })).toBe("[the file has 5 lines]");
    expect(await call("read_file", { path: "empty" })).toBe("[the file is empty]");
    expect(await call("read_file", { path: "crlf" })).toBe("1\ta\n2\tb");
  });

  test("bounds pages and lines", async () => {
    const { call } = await testWorkspace({
      long: `${"x".repeat(5_000)}\nend\n`,
      many: numbers(20_000),
    });
    expect(await call("read_file", { path: "long" })).toMatch(
      /^1\tx{2000}\[… 5000 characters\]\n2\tend$/,
    );
    const page = (await call("read_file", { path: "many" })) as string;
    expect(page).toMatch(/go on with offset 2001\]$/);
    expect(page.length).toBeLessThan(50_000);
  });

  test("shows pictures, and refuses what is no file or no text", async () => {
    const { call, folder } = await testWorkspace({ "x.bin": "a\0b" });
    await writeFile(join(folder, "p.png"), Buffer.from([0x89, 0x50, 0x4e, 0x47, 0]));
    execFileSync("mkfifo", [join(folder, "fifo")]);
    expect(await call("read_file", { path: "p.png" })).toEqual({
      content: [
        { type: "text", text: "p.png" },
        { type: "file", media_type: "image/png", data: "iVBORwA=" },
      ],
    });
    await expect(call("read_file", { path: "x.bin" })).rejects.toMatchObject({ code: "not_text" });
    await expect(call("read_file", { path: "." })).rejects.toMatchObject({ code: "wrong_kind" });
    // A FIFO without a writer would be waited for for ever.
    await expect(call("read_file", { path: "fifo" })).rejects.toMatchObject({ code: "wrong_kind" });
    await expect(call("read_file", { path: "none" })).rejects.toThrow("There is no none.");
    await expect(call("read_file", { path: "x", offset: 0 })).rejects.toThrow(/offset/);
  });
});

describe("writing", () => {
  test("makes folders, keeps modes and leaves nothing behind", async () => {
    const { call, folder } = await testWorkspace({ "run.sh": "#!/bin/sh\n" });
    await chmod(join(folder, "run.sh"), 0o755);
    expect(await call("write_file", { path: "new/deep/a.txt", content: "ä\nb" })).toBe(
      "Made new/deep/a.txt: 2 lines, 4 bytes.",
    );
    expect(await call("write_file", { path: "run.sh", content: "" })).toBe(
      "Replaced run.sh: 0 lines, 0 bytes.",
    );
    expect((await stat(join(folder, "run.sh"))).mode & 0o777).toBe(0o755);
    expect((await readdir(folder)).sort()).toEqual(["new", "run.sh"]);
  });

  test("at the same time is one after the other", async () => {
    const { call, folder } = await testWorkspace({ "n.txt": "0" });
    const edits = Array.from({ length: 20 }, (_, i) =>
      call("edit_file", { path: "n.txt", old_text: String(i), new_text: String(i + 1) }),
    );
    await Promise.all(edits);
    expect(await readFile(join(folder, "n.txt"), "utf8")).toBe("20");
  });
});

describe("editing", () => {
  const edit = (path: string, old_text: string, new_text: string, replace_all = false) => ({
    path,
    old_text,
    new_text,
    replace_all,
  });

  test("replaces what is there once, exactly", async () => {
    const { call, folder } = await testWorkspace({
      "a.ts": "one\n  two $&\nthree\n",
      "crlf.txt": "one\r\ntwo\r\n",
      "bom.txt": "\ufeffone",
    });
    expect(await call("edit_file", edit("a.ts", "two $&\nthree", "2 $1 $&\n3"))).toBe(
      "Changed a.ts at line 2.",
    );
    expect(await readFile(join(folder, "a.ts"), "utf8")).toBe("one\n  2 $1 $&\n3\n");
    await call("edit_file", edit("crlf.txt", "one\ntwo", "1\n2"));
    expect(await readFile(join(folder, "crlf.txt"), "utf8")).toBe("1\r\n2\r\n");
    await call("edit_file", edit("bom.txt", "one", "two"));
    expect(await readFile(join(folder, "bom.txt"), "utf8")).toBe("\ufefftwo");
  });

  test("says what is wrong where it cannot, and changes nothing", async () => {
    const text = "a = 1\nb = 1\na = 1\n";
    const { call, folder } = await testWorkspace({ "a.txt": text });
    await expect(call("edit_file", edit("a.txt", "a = 1", "x"))).rejects.toThrow(
      /occurs 2 times \(lines 1, 3\)/,
    );
    await expect(call("edit_file", edit("a.txt", "a  =  1", "x"))).rejects.toThrow(/white space/);
    await expect(call("edit_file", edit("a.txt", "c", "x"))).rejects.toThrow(/does not occur/);
    await expect(call("edit_file", edit("a.txt", "", "x"))).rejects.toThrow(/empty/);
    await expect(call("edit_file", edit("a.txt", "a", "a"))).rejects.toThrow(/the same/);
    await writeFile(join(folder, "latin"), Buffer.from([0x61, 0xe4]));
    await expect(call("edit_file", edit("latin", "a", "b"))).rejects.toThrow(/no UTF-8/);
    expect(await readFile(join(folder, "a.txt"), "utf8")).toBe(text);
    expect(await call("edit_file", edit("a.txt", "a = 1", "x", true))).toBe(
      "Changed a.txt in 2 places, at line 1, 3.",
    );
    expect(await readFile(join(folder, "a.txt"), "utf8")).toBe("x\nb = 1\nx\n");
  });
});

test("a folder is listed with kinds and sizes", async () => {
  const { call } = await testWorkspace({ "b.txt": "four", "a/x": "" });
  expect(await call("list_folder")).toBe("a/\nb.txt  4");
  expect(await call("list_folder", { path: "a" })).toBe("x  0");
  await expect(call("list_folder", { path: "b.txt" })).rejects.toMatchObject({
    code: "wrong_kind",
  });
  await expect(call("list_folder", { path: "c" })).rejects.toMatchObject({ code: "not_found" });
});
