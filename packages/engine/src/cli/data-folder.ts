import { chmod, link, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Random } from "../lib/random.ts";
import { livenessOf, ownIdentity, type Liveness } from "../postgres/embedded/process-identity.ts";
import { CliError } from "./exit.ts";

/** Only its owner may read what is in here: the token opens everything. */
const folderMode = 0o700;
const fileMode = 0o600;
const othersMode = 0o077;

const serverSchema = z.object({
  url: z.string(),
  token: z.string().nullable(),
  version: z.string(),
  started_at: z.string(),
  process: z.object({ pid: z.number(), startedAt: z.string(), namespace: z.string() }),
});

/** A server that runs (or ran until it was killed) on this data folder. */
export type ServerRecord = z.infer<typeof serverSchema>;

/** The files that servers and the other commands of one user share. The embedded database lies beside them. */
export class DataFolder {
  readonly path: string;
  readonly #random: Random;

  constructor(path: string, random: Random) {
    this.path = path;
    this.#random = random;
  }

  /** @throws CliError that says what to do. */
  async make(): Promise<void> {
    try {
      await mkdir(this.path, { recursive: true, mode: folderMode });
      await mkdir(this.#servers, { recursive: true, mode: folderMode });
    } catch (cause) {
      const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
      throw new CliError(
        `The data folder ${this.path} cannot be made or written to (${reason}).\n` +
          "Choose another with PARLEY_DATA_DIR or --data-dir, or give this account the right to write there.",
        { cause },
      );
    }
  }

  /** The first-use token, or null where none was made yet. */
  async readToken(): Promise<string | null> {
    try {
      const text = (await readFile(this.#tokenFile, "utf8")).trim();
      if (((await stat(this.#tokenFile)).mode & othersMode) !== 0) {
        await chmod(this.#tokenFile, fileMode);
      }
      return text === "" ? null : text;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }

  /** Keeps the token, unless another process was first: then that one's is given back. */
  async keepToken(token: string): Promise<string> {
    const draft = await this.#draft(this.#tokenFile, `${token}\n`);
    try {
      await link(draft, this.#tokenFile);
      return token;
    } catch (error) {
      const kept =
        (error as NodeJS.ErrnoException).code === "EEXIST" ? await this.readToken() : null;
      if (kept === null) throw error;
      return kept;
    } finally {
      await rm(draft, { force: true });
    }
  }

  async forgetToken(): Promise<void> {
    await rm(this.#tokenFile, { force: true });
  }

  /** Tells the other commands where this process listens. Returns the way to take it back. */
  async announce(server: Omit<ServerRecord, "process">): Promise<() => Promise<void>> {
    const file = join(this.#servers, `${this.#random.uuid()}.json`);
    const record: ServerRecord = { ...server, process: await ownIdentity() };
    await writeFile(file, JSON.stringify(record), { mode: fileMode, flag: "wx" });
    return () => rm(file, { force: true });
  }

  /** The servers of this folder, the newest first; what dead ones left behind is removed. */
  async servers(): Promise<(ServerRecord & { liveness: Liveness })[]> {
    const names = await readdir(this.#servers).catch((): string[] => []);
    const found = await Promise.all(
      names.map((name) => this.#readServer(join(this.#servers, name))),
    );
    return found
      .filter((server) => server !== undefined)
      .toSorted((a, b) => b.started_at.localeCompare(a.started_at));
  }

  async #readServer(file: string): Promise<(ServerRecord & { liveness: Liveness }) | undefined> {
    let record: ServerRecord;
    try {
      record = serverSchema.parse(JSON.parse(await readFile(file, "utf8")));
    } catch {
      return undefined; // being written, or of another version
    }
    const liveness = await livenessOf(record.process);
    if (liveness !== "dead") return { ...record, liveness };
    await rm(file, { force: true });
    return undefined;
  }

  async #draft(file: string, text: string): Promise<string> {
    const draft = `${file}.${this.#random.uuid()}`;
    await writeFile(draft, text, { mode: fileMode, flag: "wx" });
    return draft;
  }

  get #tokenFile(): string {
    return join(this.path, "token");
  }

  get #servers(): string {
    return join(this.path, "servers");
  }
}
