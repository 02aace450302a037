import { mkdtemp, readdir, rm, stat, writeFile, chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seededRandom } from "../lib/random.ts";
import { DataFolder } from "./data-folder.ts";
import { CliError } from "./exit.ts";

let path: string;
let folder: DataFolder;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "parley-folder-"));
  folder = new DataFolder(path, seededRandom("folder"));
  await folder.make();
});

afterEach(async () => {
  await rm(path, { recursive: true, force: true });
});

const mode = async (name: string): Promise<number> => (await stat(join(path, name))).mode & 0o777;

describe("the token's file", () => {
  it("keeps the first token that anybody brings, for its owner only", async () => {
    expect(await folder.readToken()).toBeNull();
    const other = new DataFolder(path, seededRandom("other"));
    const kept = await Promise.all([folder.keepToken("one"), other.keepToken("two")]);
    expect(new Set(kept).size).toBe(1);
    expect(await folder.readToken()).toBe(kept[0]);
    expect(await mode("token")).toBe(0o600);
    expect(await readdir(path)).toEqual(["servers", "token"]);
  });

  it("is closed again where others could read it", async () => {
    await folder.keepToken("one");
    await chmod(join(path, "token"), 0o644);
    expect(await folder.readToken()).toBe("one");
    expect(await mode("token")).toBe(0o600);
  });
});

describe("the servers of the folder", () => {
  const server = { url: "http://127.0.0.1:1", token: "t", version: "1" };

  it("are found while they live, the newest first", async () => {
    const gone = await folder.announce({ ...server, started_at: "2026-01-01T00:00:00.000Z" });
    await folder.announce({ ...server, url: "http://b", started_at: "2026-01-02T00:00:00.000Z" });
    const found = await folder.servers();
    expect(found.map(({ url }) => url)).toEqual(["http://b", "http://127.0.0.1:1"]);
    expect(found[0]).toMatchObject({ liveness: "alive", process: { pid: process.pid } });
    const [name] = await readdir(join(path, "servers"));
    expect(await mode(join("servers", name!))).toBe(0o600);
    await gone();
    expect(await folder.servers()).toHaveLength(1);
  });

  it("are forgotten when their process is gone, whatever its pid is used for now", async () => {
    await folder.announce({ ...server, started_at: "2026-01-01T00:00:00.000Z" });
    const [name] = await readdir(join(path, "servers"));
    const file = join(path, "servers", name!);
    const [record] = await folder.servers();
    const dead = { ...record, process: { ...record!.process, startedAt: "another" } };
    await writeFile(file, JSON.stringify(dead));
    expect(await folder.servers()).toEqual([]);
    expect(await readdir(join(path, "servers"))).toEqual([]);
  });

  it("survive a file that is no record", async () => {
    await writeFile(join(path, "servers", "half.json"), '{"url":');
    expect(await folder.servers()).toEqual([]);
  });
});

it("says what to do about a folder that cannot be made", async () => {
  await writeFile(join(path, "file"), "");
  const bad = new DataFolder(join(path, "file", "below"), seededRandom("bad"));
  await expect(bad.make()).rejects.toThrow(CliError);
  await expect(bad.make()).rejects.toThrow(/PARLEY_DATA_DIR/);
});
