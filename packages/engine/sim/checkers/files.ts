import { createHash } from "node:crypto";
import type { OwnFile } from "../actors/acts/act.ts";
import type { CommitImage, Mirror } from "./mirror.ts";
import type { Verdict } from "./verdict.ts";

/** What of docs/files.md can be judged from outside: whole, held, kept, and ended when nobody names it. */
export class FileChecker {
  readonly #mirror: Mirror;
  readonly #verdict: Verdict;
  /** Files whose owner has had them deleted, as the database has it. */
  readonly #deleted = new Set<string>();

  constructor(mirror: Mirror, verdict: Verdict) {
    this.#mirror = mirror;
    this.#verdict = verdict;
  }

  uploaded(file: OwnFile, said: { readonly sha256: string; readonly size_bytes: number }): void {
    const isWhole =
      said.size_bytes === file.bytes.length &&
      said.sha256 === createHash("sha256").update(file.bytes).digest("hex");
    this.#check(isWhole, () => `${file.id} was taken as ${said.size_bytes} bytes of another sum`);
    this.#check(
      this.#mirror.files.has(file.id) || this.#deleted.has(file.id),
      () => `${file.id} was acknowledged, and is nowhere`,
    );
  }

  downloaded(file: OwnFile, status: number, bytes: Buffer | null): void {
    const row = this.#mirror.files.get(file.id);
    if (bytes !== null) {
      this.#check(bytes.equals(file.bytes), () => `${file.id} came as ${bytes.length} other bytes`);
    } else if (status === 404 || status === 410) {
      this.#check(
        this.#deleted.has(file.id) || row === undefined || row.state === "expired",
        () => `${file.id} was answered ${status}, and is ${row?.state}`,
      );
    }
  }

  onCommit(commit: CommitImage): void {
    const { held } = this.#mirror.belongings;
    const rows = [...commit.messages.values(), ...commit.queue.values()];
    for (const { now } of rows) {
      for (const id of now?.file_ids ?? []) {
        if (now === null || ("role" in now && now.role !== "user")) continue;
        const isHeld = held.has(`${now.chat_id} ${id}`) || !this.#mirror.chats.has(now.chat_id);
        this.#check(isHeld, () => `chat ${now.chat_id} names ${id} (${now.id}), and holds it not`);
      }
    }
    const { statements } = commit.committed;
    const byHand = statements.includes("files.delete");
    const ended = statements.includes("files.sweep");
    for (const [id, { was, now }] of commit.files) {
      const isOver = now === null || now.state === "expired";
      if (isOver && byHand) this.#deleted.add(id);
      if (was?.state === "ready" && isOver) {
        const isNamed = this.#mirror.belongings.isHeld(id) && was.dies_at === null;
        this.#check(byHand || (ended && !isNamed), () => `${id} went by ${statements.join(", ")}`);
      }
      if (now?.state === "ready" && !this.#mirror.belongings.isHeld(id)) {
        this.#check(now.expires_at !== null, () => `nobody names ${id}, and it has no end`);
      }
    }
  }

  #check(isTrue: boolean, message: () => string): void {
    this.#verdict.check("files", isTrue, message);
  }
}
