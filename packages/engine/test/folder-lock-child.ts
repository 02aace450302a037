import { readFile, writeFile } from "node:fs/promises";
import { systemClock } from "../src/lib/clock.ts";
import { systemRandom } from "../src/lib/random.ts";
import { withFolderLock } from "../src/postgres/embedded/folder-lock.ts";

/** Adds 1 to the number in a file, `times` times, each under the lock; says "held" when it holds it first. */
const [lock = "", file = "", times = "1"] = process.argv.slice(2);
const seams = { clock: systemClock, random: systemRandom(systemClock) };

for (let i = 0; i < Number(times); i++) {
  await withFolderLock(lock, seams, async () => {
    if (i === 0) process.stdout.write("held\n");
    const n = Number(await readFile(file, "utf8"));
    await new Promise((resolve) => setImmediate(resolve));
    await writeFile(file, String(n + 1));
    if (times === "Infinity") await new Promise(() => process.stdin.resume());
  });
}
