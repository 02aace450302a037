import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { banViolations, importViolations, layerOf, layers } from "./architecture/rules.ts";
import {
  importsOf,
  isTest,
  readSources,
  root,
  withoutComments,
  type Source,
} from "./architecture/sources.ts";
import { settingKeys } from "../packages/engine/src/config/load.ts";

const sources = readSources();
const code = sources.filter(({ path }) => /\.tsx?$/.test(path));
const engine = code.filter(({ path }) => layerOf(path) !== undefined && !isTest(path));

/** The aim is 300; above this a file certainly holds two things. */
const linesMax = 500;

describe("the repository is seen at all", () => {
  it("has files in every package and in every layer that has a rule", () => {
    for (const name of ["protocol", "client", "engine", "web"]) {
      const own = code.filter(({ path }) => path.startsWith(`packages/${name}/src/`));
      expect(own.length, `files in packages/${name}/src`).toBeGreaterThan(3);
    }
    const seen = new Set(engine.map(({ path }) => layerOf(path)));
    expect([...seen]).toEqual(expect.arrayContaining(["domain", "lib", "machine"]));
    expect(engine.flatMap(({ text }) => importsOf(text)).length).toBeGreaterThan(50);
  });

  it("knows every folder of the engine", () => {
    const unknown = engine.filter(({ path }) => layers[layerOf(path) ?? ""] === undefined);
    expect(unknown.map(({ path }) => path)).toEqual([]);
  });
});

describe("imports", () => {
  it("point down", () => {
    expect(code.flatMap(importViolations)).toEqual([]);
  });

  it("carry the extension and name a file that is there", () => {
    const files = code.filter(({ path }) => path !== "test/architecture.test.ts");
    const missing = files.flatMap(({ path, text }) =>
      importsOf(text)
        .filter(({ from }) => from.startsWith("./") || from.startsWith("../"))
        .filter(({ from }) => !existsSync(join(root, dirname(path), from)))
        .map(({ from }) => `${path}: ${from}`),
    );
    expect(missing).toEqual([]);
  });

  it("go through no inner barrel", () => {
    const barrels = code.filter(
      ({ path, text }) =>
        !/^packages\/[^/]+\/src\/(index|react)\.ts$/.test(path) &&
        (/(^|\/)index\.ts$/.test(path) || /^export \* from/m.test(text)),
    );
    expect(barrels.map(({ path }) => path)).toEqual([]);
  });
});

describe("calls", () => {
  it("reach time, chance, the environment, sockets and the terminal through their doors only", () => {
    expect(code.flatMap(banViolations)).toEqual([]);
  });
});

describe("files", () => {
  it(`have at most ${linesMax} lines`, () => {
    const long = code
      .filter(({ path }) => !isTest(path))
      .map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
      .filter(({ lines }) => lines > linesMax);
    expect(long).toEqual([]);
  });

  it("name no path or host of the place where they were written", () => {
    // Put together here, so that this file does not name them itself.
    const top = ["work", "home", "Users"].map((name) => `/${name}/`);
    const place = new RegExp(`(^|[\\s"'\`(=:,])(${[root, ...top].join("|")})`, "m");
    expect(place.test(`from "${root}x.ts"`)).toBe(true);
    const found = sources.filter(({ text }) => place.test(text)).map(({ path }) => path);
    expect(found).toEqual([]);
  });

  it("keep registry hosts out of the lock file", () => {
    const lock = readable({ path: "package-lock.json" });
    expect(lock.length).toBeGreaterThan(1000);
    expect(lock).not.toMatch(/"resolved": "(?!packages\/)/);
    expect(lock).not.toMatch(/https?:\/\/[^"]*registry/);
  });
});

describe("settings", () => {
  it("are each read by something: one that does nothing would be a lie", () => {
    const readers = engine.filter(
      ({ path }) =>
        /src\/(engine(\.ts|\/)|cli\/)/.test(path) ||
        /config\/(model-settings|spending-policy)\.ts$/.test(path),
    );
    const words = new Set(readers.flatMap(({ text }) => withoutComments(text).match(/\w+/g) ?? []));
    expect(settingKeys.length).toBeGreaterThan(30);
    expect(settingKeys.filter((key) => !words.has(key))).toEqual([]);
  });
});

describe("prepared statements", () => {
  it("have a name each: one connection cannot hold two texts under one name", () => {
    const names = engine
      .filter(({ path }) => /src\/(store|postgres)\//.test(path) && !path.endsWith(".test.ts"))
      .flatMap(({ text }) => [...text.matchAll(/\bname: "(\w+\.\w+)"/g)].map((match) => match[1]));
    expect(names.length).toBeGreaterThan(50);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  });
});

describe("documents", () => {
  it("link to files that are there", () => {
    const broken = sources
      .filter(({ path }) => path.endsWith(".md"))
      .flatMap(({ path, text }) =>
        [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
          .map((match) => match[1] ?? "")
          .filter((target) => !existsSync(join(root, dirname(path), target)))
          .map((target) => `${path}: ${target}`),
      );
    expect(broken).toEqual([]);
  });
});

describe("the rules themselves", () => {
  const at = (path: string, text: string): Source => ({
    path: `packages/engine/src/${path}`,
    text,
  });

  it.each([
    ["worker/a.ts", 'import { Feed } from "../stream/feed.ts";'],
    ["stream/a.ts", 'import type { Runner } from "../worker/runner.ts";'],
    ["lib/a.ts", 'import type { ChatRow } from "../domain/rows.ts";'],
    ["store/a.ts", 'import { open } from "../parts/part-buffer.ts";'],
    ["machine/a.ts", 'import pg from "pg";'],
    ["cli/chat/a.ts", 'import { createEngine } from "../../engine.ts";'],
    ["telemetry/a.ts", 'const x = await import("../worker/worker.ts");'],
    ["elsewhere/a.ts", ""],
  ])("refuse an import in %s: %s", (path, text) => {
    expect(importViolations(at(path, text))).toHaveLength(1);
  });

  it.each([
    ["store/a.ts", 'import type { CheckpointPort } from "../parts/checkpoints.ts";'],
    ["worker/a.ts", 'import {\n  Machine,\n} from "../machine/machine.ts";'],
    ["worker/a.test.ts", 'import { Feed } from "../stream/feed.ts";'],
  ])("allow an import in %s: %s", (path, text) => {
    expect(importViolations(at(path, text))).toEqual([]);
  });

  it.each([
    ["stores/a.ts", 'import { useState } from "react";', 1],
    ["stores/a.ts", 'import { useChat } from "../react/use-chat.ts";', 1],
    ["index.ts", 'export { useChat } from "./react/use-chat.ts";', 1],
    ["react.ts", 'export { useChat } from "./react/use-chat.ts";', 0],
    ["react/a.ts", 'import { useState } from "react";', 0],
  ])("keep React to the hooks of the client: %s, %s", (path, text, count) => {
    const source = { path: `packages/client/src/${path}`, text };
    expect(importViolations(source)).toHaveLength(count);
  });

  it.each([
    "const t = Date.now();",
    "const d = new Date();",
    "setTimeout(f, 1);",
    "globalThis.setInterval(f, 1);",
    "const id = crypto.randomUUID();",
    "const k = process.env.KEY;",
    "console.error(x);",
    "AbortSignal.any([a, b]);",
    "await fetch(url);",
    'import { connect } from "node:net";',
  ])("refuse the call %s", (text) => {
    expect(banViolations(at("worker/a.ts", text))).toHaveLength(1);
  });

  it("do not take a comment, a method or a longer name for a call", () => {
    const text = "// Date.now()\n/* fetch(x) */\nclock.setTimeout(1); prefetch(a); this.fetch(b);";
    expect(banViolations(at("worker/a.ts", text))).toEqual([]);
  });
});

function readable({ path }: Pick<Source, "path">): string {
  return sources.find((source) => source.path === path)?.text ?? "";
}
