import { readFile, writeFile } from "node:fs/promises";
import { coreTable } from "./core.ts";
import { Look } from "./look.ts";
import { describe, tableOf, type Report } from "./report.ts";
import { targetsTable } from "./targets.ts";

const root = new URL("../../../../", import.meta.url);

/** Puts a run's figures where the documents have their places for them. @throws Error for a place that is not there. */
export async function writeDocs(path: string): Promise<void> {
  const report = JSON.parse(await readFile(path, "utf8")) as Report;
  const look = new Look(report.results);
  const said = `${describe(report)}\n\n`;
  const tables = report.results.map((result) => tableOf(result).replace(/^###/, "####")).join("\n");
  await fill("docs/performance.md", {
    core: `${said}${coreTable(look)}`,
    targets: targetsTable(look, true),
    tables: tables.trim(),
  });
  await fill("README.md", { core: `${coreTable(look)}\n\n${describe(report)}` });
}

async function fill(file: string, places: Readonly<Record<string, string>>): Promise<void> {
  const path = new URL(file, root);
  let text = await readFile(path, "utf8");
  for (const [name, content] of Object.entries(places)) {
    const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
    const [from, to] = [text.indexOf(open), text.indexOf(close)];
    if (from < 0 || to < from) throw new Error(`${file} has no place for ${name}`);
    text = `${text.slice(0, from + open.length)}\n\n${content}\n\n${text.slice(to)}`;
  }
  await writeFile(path, text);
}
