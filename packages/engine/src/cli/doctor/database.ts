import type { Config } from "../../config.ts";
import { formatBytes } from "../../config/parsers.ts";
import type { Clock } from "../../lib/clock.ts";
import { ParleyError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Database } from "../../postgres/database.ts";
import { EmbeddedUnavailable } from "../../postgres/embedded/error.ts";
import { DatabaseUnavailable } from "../../postgres/errors.ts";
import { MigrationMismatch } from "../../postgres/migrations.ts";
import { readMigrationState, readServerFacts, type ServerFacts } from "../../store/diagnosis.ts";
import type { CliContext } from "../context.ts";
import { withDatabase } from "../open-database.ts";
import { finding, type Finding } from "./finding.ts";

const subject = "Database";

/** Looks at the database; starts the embedded one for it, if nobody has, and stops it again. */
export async function checkDatabase(
  config: Config,
  context: CliContext,
  logger: Logger,
): Promise<Finding[]> {
  try {
    return await withDatabase(config, context, logger, async (database, { embedded }) => {
      const { facts, skewMs } = await measure(database, context.clock);
      return [
        ...judgeServer(facts, embedded !== null, config),
        ...judgeClock(skewMs),
        await checkMigrations(database),
      ];
    });
  } catch (error) {
    return [unreachable(error)];
  }
}

async function measure(
  database: Database,
  clock: Clock,
): Promise<{ facts: ServerFacts; skewMs: number }> {
  await database.identity(); // connects: that is not to be in the measurement
  const before = clock.now();
  const facts = await readServerFacts(database);
  const middle = (before + clock.now()) / 2;
  return { facts, skewMs: facts.now_ms - middle };
}

function unreachable(error: unknown): Finding {
  if (error instanceof EmbeddedUnavailable) {
    const [text = "", ...mend] = error.message.split("\n");
    return finding("problem", subject, text, mend.join("\n"));
  }
  if (error instanceof DatabaseUnavailable) {
    const why = error.cause instanceof Error ? `: ${error.cause.message}` : "";
    const mend =
      error.reason === "refused"
        ? "Check user, password and database name in PARLEY_DATABASE_URL, and pg_hba.conf on the server."
        : "Check host and port in PARLEY_DATABASE_URL, that the server runs, and what stands in between.";
    return finding("problem", subject, `${error.message}${why}`, mend);
  }
  const text = error instanceof Error ? error.message : String(error);
  return finding("problem", subject, text);
}

const versionNumberMin = 150_000;

/** What a replica needs beside its pool: heartbeat, lock, notifications, a command now and then. */
const connectionsBeside = 5;

export function judgeServer(
  facts: ServerFacts,
  embedded: boolean,
  { poolSize }: Pick<Config, "poolSize">,
): Finding[] {
  const kind = embedded ? "embedded PostgreSQL" : "PostgreSQL";
  const size = formatBytes(Math.ceil(facts.database_bytes / 1024 ** 2) * 1024 ** 2);
  const findings: Finding[] = [];
  const add = (...[severity, text, mend]: [Finding["severity"], string, string?]): void => {
    findings.push(finding(severity, subject, text, mend));
  };
  if (facts.version_number < versionNumberMin) {
    add("problem", `${kind} ${facts.version} is too old`, "Parley needs PostgreSQL 15 or newer.");
  } else {
    add("ok", `${kind} ${facts.version}, ${size}`);
  }
  if (facts.is_standby) {
    add(
      "problem",
      "this is a standby: it takes no writes",
      "Name the primary in PARLEY_DATABASE_URL.",
    );
  }
  if (!facts.has_schema && !facts.may_create) {
    add(
      "problem",
      "this account may not make the schema parley",
      'grant create on database … to …; or let an account that may run "parley migrate" once.',
    );
  }
  const left = facts.connections_max - facts.connections_used;
  if (left < poolSize + connectionsBeside) {
    add(
      "warning",
      `only ${left} of ${facts.connections_max} connections are left; one server uses up to ${poolSize + connectionsBeside}`,
      "Raise max_connections, or lower PARLEY_POOL_SIZE.",
    );
  }
  if (facts.fsync !== "on" || facts.synchronous_commit === "off") {
    add(
      "warning",
      `fsync is ${facts.fsync}, synchronous_commit is ${facts.synchronous_commit}: a crash of the database loses what it acknowledged`,
      "Switch both on for data that matters.",
    );
  }
  return findings;
}

const skewMaxMs = 2_000;

/** Nothing breaks: all that matters goes by the database's clock. But logs and times shown do not fit together. */
export function judgeClock(skewMs: number): Finding[] {
  const seconds = (Math.abs(skewMs) / 1000).toFixed(1);
  if (Math.abs(skewMs) <= skewMaxMs) return [];
  return [
    finding(
      "warning",
      "Clock",
      `the database's clock is ${seconds} s ${skewMs > 0 ? "ahead of" : "behind"} this machine's`,
      "Let both follow a time server (NTP).",
    ),
  ];
}

async function checkMigrations(database: Database): Promise<Finding> {
  try {
    const { applied, pending } = await readMigrationState(database);
    if (pending === 0) return finding("ok", "Schema", `${applied} migrations, up to date`);
    const mend = 'Done at the next start of a server; or run "parley migrate" now.';
    return finding("note", "Schema", `${pending} migrations to apply`, mend);
  } catch (error) {
    if (error instanceof MigrationMismatch) {
      return finding(
        "problem",
        "Schema",
        error.message,
        "Run the version of Parley that this database was used with, or one that is newer.",
      );
    }
    if (error instanceof ParleyError) return finding("problem", "Schema", error.message);
    throw error;
  }
}
