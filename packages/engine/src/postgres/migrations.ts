import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ParleyError } from "../lib/errors.ts";

/** One numbered SQL file. */
export interface Migration {
  number: number;
  name: string;
  sql: string;
  /** SHA-256 of the file, hexadecimal. */
  checksum: string;
}

export interface AppliedMigration {
  number: number;
  name: string;
  checksum: string;
}

/** The files and the database disagree; nothing was changed. `details.reason` says how. */
export class MigrationMismatch extends ParleyError {
  constructor(
    reason: "gap" | "duplicate" | "checksum" | "newer" | "bad_name",
    message: string,
    details: Record<string, unknown> = {},
  ) {
    super("migration_mismatch", message, { details: { reason, ...details } });
  }
}

const fileNamePattern = /^(\d{4})_([a-z0-9_]+)\.sql$/;

/** Reads NNNN_name.sql from the folder, in order; every number from 1 on must be there once. */
export async function readMigrations(folder: string): Promise<Migration[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".sql")).sort();
  const migrations = await Promise.all(files.map((file) => readMigration(folder, file)));
  migrations.forEach(({ number, name }, index) => {
    if (number === index + 1) return;
    const reason = number <= index ? "duplicate" : "gap";
    throw new MigrationMismatch(
      reason,
      `migration ${number} (${name}) stands where ${index + 1} belongs`,
      {
        number,
      },
    );
  });
  return migrations;
}

async function readMigration(folder: string, file: string): Promise<Migration> {
  const match = fileNamePattern.exec(file);
  if (!match?.[1] || !match[2]) {
    throw new MigrationMismatch("bad_name", `${file} is not named like 0001_name.sql`, { file });
  }
  // A checkout with Windows line ends is the same migration.
  const sql = (await readFile(join(folder, file), "utf8")).replaceAll("\r\n", "\n");
  const checksum = createHash("sha256").update(sql).digest("hex");
  return { number: Number(match[1]), name: match[2], sql, checksum };
}

/** What is left to do, after checking that what was done is what the files say. */
export function pendingMigrations(files: Migration[], applied: AppliedMigration[]): Migration[] {
  for (const [index, done] of applied.entries()) {
    if (done.number !== index + 1) {
      throw new MigrationMismatch(
        "gap",
        `the database lacks migration ${index + 1} but has ${done.number}`,
        {
          number: index + 1,
        },
      );
    }
    const file = files[index];
    if (!file) {
      throw new MigrationMismatch(
        "newer",
        `the database has migration ${done.number} (${done.name}), which this version of Parley does not know: ` +
          "it was used by a newer one; start that one",
        { number: done.number },
      );
    }
    if (file.checksum !== done.checksum) {
      throw new MigrationMismatch(
        "checksum",
        `migration ${done.number} (${done.name}) was changed after it was applied to this database`,
        { number: done.number },
      );
    }
  }
  return files.slice(applied.length);
}
