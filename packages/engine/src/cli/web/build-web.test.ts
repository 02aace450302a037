import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildWeb, type BuildOutcome } from "./build-web.ts";

const modules = fileURLToPath(new URL("../../../../../node_modules", import.meta.url));
let root: string;
let packages: string;
let builds = 0;

/** A small application in the place of the real one, built by the real tools. */
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "parley-build-"));
  packages = join(root, "packages");
  builds = 0;
  for (const folder of ["web/src", "web/public", "web/build", "client/src", "protocol/src"]) {
    // oxlint-disable-next-line no-await-in-loop
    await mkdir(join(packages, folder), { recursive: true });
  }
  await write("web/package.json", `{ "name": "small", "type": "module" }`);
  await write("web/vite.config.ts", "export default {};");
  await write("web/index.html", `<script type="module" src="/src/main.ts"></script>`);
  await write("web/src/main.ts", `document.title = "first";`);
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const write = (name: string, text: string) => writeFile(join(packages, name), text);
const tools = () => symlink(modules, join(root, "node_modules"));
const build = (unique = "one"): Promise<BuildOutcome> =>
  buildWeb({ packages, env: process.env, unique, onStart: () => (builds += 1) });

async function served(): Promise<string> {
  const assets = join(packages, "web/dist/assets");
  const [name = ""] = await readdir(assets);
  return await readFile(join(assets, name), "utf8");
}

test("builds what is missing, leaves what is up to date, and builds anew after a change", async () => {
  await tools();
  const folder = join(packages, "web/dist");
  expect(await build()).toEqual({ kind: "built", folder });
  expect(await served()).toContain("first");
  expect(await build()).toEqual({ kind: "ready", folder });
  await write("web/src/main.ts", `document.title = "second";`);
  expect(await build()).toEqual({ kind: "built", folder });
  expect(await served()).toContain("second");
  await write("client/src/x.test.ts", "a test is no source of it");
  expect((await build()).kind).toBe("ready");
  expect(builds).toBe(2);
  expect((await readdir(join(packages, "web"))).filter((name) => name.startsWith("dist"))).toEqual([
    "dist",
  ]);
});

test("two at once leave one whole application", async () => {
  await tools();
  const both = await Promise.all([build("one"), build("two")]);
  expect(both.map(({ kind }) => kind)).toEqual(["built", "built"]);
  expect(await served()).toContain("first");
  expect((await build()).kind).toBe("ready");
});

test("a build that fails leaves what was there, and says why", async () => {
  await tools();
  await write("web/src/main.ts", `import "./nowhere.ts";`);
  const first = await build();
  expect(first).toMatchObject({ kind: "failed", folder: undefined });
  expect(first).toHaveProperty("reason", expect.stringContaining("nowhere.ts"));
  await write("web/src/main.ts", `document.title = "whole";`);
  await build();
  await write("web/src/main.ts", `import "./nowhere.ts";`);
  expect(await build()).toMatchObject({ kind: "failed", folder: join(packages, "web/dist") });
  expect(await served()).toContain("whole");
});

test("without the tools, or without the sources, it takes what there is", async () => {
  expect(await build()).toEqual({ kind: "absent" });
  await tools();
  await build();
  await rm(join(root, "node_modules"));
  await write("web/src/main.ts", `document.title = "newer";`);
  expect((await build()).kind).toBe("ready");
  // As in an image: the built application, and nothing that it was built of.
  await cp(join(packages, "web/dist"), join(root, "kept"), { recursive: true });
  await rm(join(packages, "web"), { recursive: true });
  await mkdir(join(packages, "web"));
  await cp(join(root, "kept"), join(packages, "web/dist"), { recursive: true });
  expect((await build()).kind).toBe("ready");
  expect(builds).toBe(1);
});
