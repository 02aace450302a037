import { link, mkdir, readFile, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { testWorkspace } from "../../../test/workspace.ts";
import { openFile } from "./files.ts";
import { Root } from "./root.ts";

describe.each([
  ["with descriptors", true],
  ["with real paths, as where there is no /proc", false],
])("%s", (_, pinned) => {
  async function setup() {
    const { folder, outside } = await testWorkspace({ "a/b/c.txt": "inside", "top.txt": "top" });
    const root = await Root.open(folder, { pinned });
    onTestFinished(async () => await root.close());
    const read = async (path: string): Promise<string> =>
      await root.at(path, async (place) => {
        const handle = await openFile(place);
        try {
          return await handle.readFile("utf8");
        } finally {
          await handle.close();
        }
      });
    return { folder, outside, root, read };
  }

  test("paths inside lead where they say", async () => {
    const { folder, root, read } = await setup();
    for (const path of [
      "a/b/c.txt",
      "./a//b/./c.txt",
      "a/../a/b/c.txt",
      join(folder, "a/b/c.txt"),
    ]) {
      expect(await read(path)).toBe("inside");
    }
    for (const path of [".", "", "a/..", folder, `${folder}/`]) {
      expect((await root.folder(path, async (base) => await readdir(base))).sort()).toEqual([
        "a",
        "top.txt",
      ]);
    }
    expect(await root.at("a/b/..", async ({ shown }) => shown)).toBe("a");
    await expect(read("a/x/y")).rejects.toMatchObject({ code: "not_found" });
    await expect(read("top.txt/x")).rejects.toMatchObject({ code: "wrong_kind" });
  });

  test("no path leads out", async () => {
    const { folder, outside, read } = await setup();
    for (const path of [
      "..",
      "../outside/secret",
      "a/../../outside/secret",
      "a/b/../../../outside/secret",
      join(outside, "secret"),
      `${folder}/../outside/secret`,
      `${folder}x`,
      "/etc/passwd",
      "/proc/self/environ",
      "a\0b",
      "x".repeat(5_000),
    ]) {
      await expect(read(path), path).rejects.toMatchObject({ code: "outside_workspace" });
    }
  });

  test("links are followed inside, and not outside, however they are nested", async () => {
    const { folder, outside, read, root } = await setup();
    const at = (name: string): string => join(folder, name);
    await symlink("a/b", at("good-folder"));
    await symlink("../../top.txt", at("a/b/up"));
    await symlink(join(folder, "a/b/c.txt"), at("absolute"));
    await symlink("good-folder/up", at("chain"));
    expect(await read("good-folder/c.txt")).toBe("inside");
    // Up is where the link leads, not where it stands.
    expect(await read("good-folder/../b/c.txt")).toBe("inside");
    expect(await read("a/b/up")).toBe("top");
    expect(await read("absolute")).toBe("inside");
    expect(await read("chain")).toBe("top");

    await symlink("../outside", at("bad-folder"));
    await symlink("../outside/secret", at("bad-file"));
    await symlink(join(outside, "secret"), at("bad-absolute"));
    await symlink("bad-folder", at("bad-chain"));
    await symlink("/", at("slash"));
    await symlink("a/../../outside", at("bad-dots"));
    await symlink("/proc/self/root", at("magic"));
    await symlink("circle", at("circle"));
    for (const path of [
      "bad-folder/secret",
      "bad-file",
      "bad-absolute",
      "bad-chain/secret",
      `slash${outside}/secret`,
      "bad-dots/secret",
      `magic${outside}/secret`,
      "circle",
    ]) {
      await expect(read(path), path).rejects.toMatchObject({ code: "outside_workspace" });
    }
    await expect(
      root.at("bad-folder/new/file", async () => "made", { makeFolders: true }),
    ).rejects.toMatchObject({ code: "outside_workspace" });
    expect(await readdir(outside)).toEqual(["secret"]);
  });
});

test("a folder that is swapped for a link while it is being read never shows what is outside", async () => {
  const { folder, outside, call } = await testWorkspace({ "dir/secret": "harmless\n" });
  const real = join(folder, "dir");
  const aside = join(folder, "aside");
  let over = false;
  const swap = async (): Promise<void> => {
    await rename(real, aside);
    await replace(() => symlink(outside, real));
    await replace(() => rename(aside, real));
  };
  // What is written meanwhile makes the folder for itself, also while it is being removed.
  const replace = async (put: () => Promise<void>): Promise<void> => {
    for (let done = false; !done;) {
      done = await rm(real, { recursive: true, force: true })
        .then(put)
        .then(
          () => true,
          () => false,
        );
    }
  };
  const swapping = (async () => {
    while (!over) await swap();
  })();
  const seen = new Set<string>();
  for (let i = 0; i < 400; i++) {
    for (const [tool, input] of [
      ["read_file", { path: "dir/secret" }],
      ["list_folder", { path: "dir" }],
      ["write_file", { path: "dir/made", content: "x" }],
    ] as const) {
      const answer = await call(tool, input).catch((error: unknown) => String(error));
      seen.add(JSON.stringify(answer).slice(0, 60));
    }
  }
  over = true;
  await swapping;
  expect([...seen].join("\n")).not.toContain("the secret");
  expect(await readdir(outside)).toEqual(["secret"]);
  expect(await readFile(join(outside, "secret"), "utf8")).toBe("the secret\n");
});

test("writing replaces a link that was put there, and a hard link's other name stays as it was", async () => {
  const { folder, outside, call } = await testWorkspace({ "own.txt": "own" });
  await link(join(outside, "secret"), join(folder, "hard"));
  await call("write_file", { path: "hard", content: "changed" });
  expect(await readFile(join(outside, "secret"), "utf8")).toBe("the secret\n");
  await symlink("own.txt", join(folder, "soft"));
  await call("write_file", { path: "soft", content: "through" });
  expect(await readFile(join(folder, "own.txt"), "utf8")).toBe("through");
  await mkdir(join(folder, "sub"));
  await writeFile(join(folder, "sub/x"), "x");
  await expect(call("write_file", { path: "sub", content: "" })).rejects.toThrow(/is a folder/);
  await expect(call("write_file", { path: ".", content: "" })).rejects.toThrow(/workspace itself/);
});
