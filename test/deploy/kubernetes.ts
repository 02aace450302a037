import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { root } from "../architecture/sources.ts";

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** @throws where it is no YAML */
export function manifestsOf(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw document.errors[0] as Error;
    return document.toJS() as Manifest;
  });
}

/**
 * What Kubernetes' own API description has against the manifests. They are checked twice: by the schemas, which know
 * formats and ranges, and as literals of the types that are made from them, which know that a field does not exist.
 */
export async function problemsOf(manifests: readonly Manifest[]): Promise<string[]> {
  const bySchema = await Promise.all(manifests.map(schemaProblem));
  return [...bySchema.filter((problem) => problem !== undefined), ...typeProblems(manifests)];
}

interface Model {
  validate(): void;
}

async function schemaProblem(manifest: Manifest): Promise<string | undefined> {
  const { kind } = manifest;
  try {
    const models = (await import(moduleOf(manifest))) as Record<
      string,
      new (data: unknown) => Model
    >;
    const Kind = models[kind];
    if (Kind === undefined) return `${moduleOf(manifest)} has no ${kind}`;
    new Kind(manifest).validate();
    return undefined;
  } catch (error) {
    return `${kind}: ${String(error)}`;
  }
}

function typeProblems(manifests: readonly Manifest[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), "parley-manifests-"));
  try {
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    const lines = manifests.flatMap((manifest, index) => [
      `import type { I${manifest.kind} as Kind${index} } from "${moduleOf(manifest)}";`,
      `export const manifest${index}: Kind${index} = ${JSON.stringify(manifest, null, 2)};`,
    ]);
    writeFileSync(join(folder, "manifests.ts"), lines.join("\n"));
    const { status, stdout, error } = spawnSync(
      join(root, "node_modules", ".bin", "tsc"),
      "--noEmit --strict --exactOptionalPropertyTypes --skipLibCheck --module nodenext manifests.ts".split(
        " ",
      ),
      { cwd: folder, encoding: "utf8", env: { ...process.env, PATH: pathWithOwnNode() } },
    );
    if (error) throw error;
    return status === 0 ? [] : stdout.trim().split("\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function pathWithOwnNode(): string {
  return `${join(process.execPath, "..")}:${process.env["PATH"] ?? ""}`;
}

/** `apps/v1`, `v1`, `networking.k8s.io/v1`: as the package names its parts. */
function moduleOf({ apiVersion }: Manifest): string {
  return `kubernetes-models/${apiVersion}`;
}
