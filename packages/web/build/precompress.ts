import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Plugin, ResolvedConfig } from "vite";

/** Smaller files gain nothing. */
const bytesMin = 1024;

const compressed = /\.(js|css|html|svg|json|wasm)$/;

/** Writes `x.br` and `x.gz` beside each file that shrinks: the server never compresses. */
export function precompress(): Plugin {
  let config: ResolvedConfig;
  return {
    name: "parley:precompress",
    apply: "build",
    configResolved(resolved) {
      config = resolved;
    },
    async closeBundle(error) {
      if (error !== undefined) return;
      const { outDir } = config.build;
      const names = await readdir(outDir, { recursive: true });
      await Promise.all(
        names.filter((name) => compressed.test(name)).map((name) => compress(join(outDir, name))),
      );
    },
  };
}

async function compress(path: string): Promise<void> {
  if ((await stat(path)).size < bytesMin) return;
  const bytes = await readFile(path);
  const [br, gz] = await Promise.all([
    promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 8 } }),
    promisify(gzip)(bytes, { level: 9 }),
  ]);
  await Promise.all([writeFile(`${path}.br`, br), writeFile(`${path}.gz`, gz)]);
}
