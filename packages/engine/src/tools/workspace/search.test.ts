import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { testWorkspace } from "../../../test/workspace.ts";
import { findProgram } from "./programs.ts";

const ripgrep = await findProgram("rg", process.env["PATH"] ?? "");

const files = {
  "src/a.ts": "const one = 1;\nconst two = 2;\nconst three = 3;\n",
  "src/deep/b.ts": "export const ONE = 1;\n",
  "src/deep/c.md": "one\n",
  ".hidden": "one hidden\n",
  ".git/config": "one in git\n",
  binary: "one\0\n",
};

// ripgrep is what most installations have, our own walk is what there is without it: they answer alike.
describe.each([false, ...(ripgrep === null ? [] : [true])])(
  "a search with ripgrep: %s",
  (useRipgrep) => {
    const setup = async () => await testWorkspace(files, { ripgrep: useRipgrep });

    test("finds files by name", async () => {
      const { call } = await setup();
      expect(await call("find_files", { glob: "*.ts" })).toBe("src/a.ts\nsrc/deep/b.ts");
      expect(await call("find_files", { glob: "src/*.ts" })).toBe("src/a.ts");
      expect(await call("find_files", { glob: "src/**/*.md" })).toBe("src/deep/c.md");
      expect(await call("find_files", { glob: "*.ts", path: "src/deep" })).toBe("b.ts");
      expect(await call("find_files", { glob: "*.none" })).toBe("No file fits.");
      await expect(call("find_files", { glob: "*", path: ".." })).rejects.toThrow(/leads out/);
    });

    test("finds text", async () => {
      const { call } = await setup();
      expect(await call("search_files", { pattern: "\\bone\\b" })).toBe(
        ".hidden:1:one hidden\nsrc/a.ts:1:const one = 1;\nsrc/deep/c.md:1:one",
      );
      expect(await call("search_files", { pattern: "one", ignore_case: true, glob: "*.ts" })).toBe(
        "src/a.ts:1:const one = 1;\nsrc/deep/b.ts:1:export const ONE = 1;",
      );
      expect(await call("search_files", { pattern: "two", path: "src", context_lines: 1 })).toBe(
        "a.ts-1-const one = 1;\na.ts:2:const two = 2;\na.ts-3-const three = 3;",
      );
      expect(await call("search_files", { pattern: "t\\w+ =", path: "src/a.ts" })).toBe(
        "2:const two = 2;\n3:const three = 3;",
      );
      expect(await call("search_files", { pattern: "nowhere" })).toBe("Nothing matches.");
      await expect(call("search_files", { pattern: "(" })).rejects.toMatchObject({
        code: "invalid_pattern",
      });
      await expect(call("search_files", { pattern: "x", path: "none" })).rejects.toMatchObject({
        code: "not_found",
      });
    });

    test("follows no link out", async () => {
      const { call, folder, outside } = await setup();
      await symlink(outside, join(folder, "out"));
      await symlink(join(outside, "secret"), join(folder, "file-out"));
      expect(await call("search_files", { pattern: "secret" })).toBe("Nothing matches.");
      for (const path of ["out", "file-out", "out/secret"]) {
        await expect(call("search_files", { pattern: "secret", path })).rejects.toThrow(
          /leads out/,
        );
      }
    });

    test("bounds what it answers", async () => {
      const many = Array.from({ length: 3_000 }, (_unused, i) => `hit ${i} ${"x".repeat(1_000)}`);
      const { call } = await testWorkspace({ big: many.join("\n") }, { ripgrep: useRipgrep });
      const answer = (await call("search_files", { pattern: "hit" })) as string;
      expect(Buffer.byteLength(answer)).toBeLessThan(40_000);
      expect(answer).toMatch(/there is more/);
    });

    test("stops when it is told to, also in the middle of an expression without end", async () => {
      const { call } = await testWorkspace(
        { evil: `${"a".repeat(60)}!\n` },
        { ripgrep: useRipgrep },
      );
      const stop = new AbortController();
      const search = call("search_files", { pattern: "^(a+)+$" }, { signal: stop.signal });
      if (!useRipgrep) stop.abort(new Error("stopped"));
      // ripgrep's expressions always end.
      if (useRipgrep) expect(await search).toBe("Nothing matches.");
      else await expect(search).rejects.toThrow("stopped");
    });
  },
);
