import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Json } from "@parley/protocol";
import { onTestFinished } from "vitest";
import { systemClock } from "../src/lib/clock.ts";
import { systemRandom } from "../src/lib/random.ts";
import type { Tool } from "../src/tools/tool.ts";
import {
  openWorkspace,
  type Workspace,
  type WorkspaceOptions,
} from "../src/tools/workspace/workspace.ts";
import { workspaceTools } from "../src/tools/workspace/workspace-tools.ts";

export interface TestWorkspace extends Workspace {
  readonly folder: string;
  /** A folder beside the workspace, with the file `secret`. */
  readonly outside: string;
  call(
    tool: string,
    input?: Json,
    options?: { signal?: AbortSignal; progress?: (value: Json) => void },
  ): Promise<Json>;
}

/** A real folder with some files, opened as a workspace; gone with the test. */
export async function testWorkspace(
  files: Readonly<Record<string, string>> = {},
  options: Partial<WorkspaceOptions> = {},
): Promise<TestWorkspace> {
  const top = await realpath(await mkdtemp(join(tmpdir(), "parley-workspace-")));
  const folder = join(top, "inside");
  const outside = join(top, "outside");
  await mkdir(folder);
  await mkdir(outside);
  await writeFile(join(outside, "secret"), "the secret\n");
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const workspace = await openWorkspace({
    folder,
    env: { PATH: process.env["PATH"] ?? "", HOME: folder },
    commands: true,
    bubblewrap: false,
    network: true,
    readable: [],
    clock: systemClock,
    random: systemRandom(systemClock),
    ...options,
  });
  onTestFinished(async () => {
    await workspace.close();
    await rm(top, { recursive: true, force: true });
  });
  const tools = new Map<string, Tool>(
    workspaceTools(workspace).map(({ tool }) => [tool.name, tool]),
  );
  return {
    ...workspace,
    folder,
    outside,
    async call(
      name,
      input = {},
      { signal = new AbortController().signal, progress = () => {} } = {},
    ) {
      const tool = tools.get(name);
      if (tool === undefined) throw new Error(`no tool ${name}`);
      const validated = tool.validate(input);
      if (!validated.ok) throw new Error(validated.problem);
      return await tool.execute(validated.input, {
        signal,
        progress,
        idempotencyKey: "key",
        chatId: "chat",
        idle: async (wait) => await wait(),
      });
    },
  };
}
