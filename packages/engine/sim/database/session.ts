import type { Pipe } from "../network/pipe.ts";
import type { SimProcess } from "../process.ts";
import { FrameReader, textsOf, type Frame } from "./wire.ts";

/** What a client sends and is answered as one: a simple query, or what stands before a Sync. */
export interface Unit {
  readonly session: Session;
  readonly frames: readonly Frame[];
  /** The names of its statements, or the beginning of its text. */
  readonly label: string;
  readonly names: readonly string[];
  /** COMMIT is in it, as its last. */
  readonly commits: boolean;
  /** The text of a simple query. */
  readonly text: string | null;
}

const labelCharsMax = 48;

/** What the driver's COMMIT is prepared as. */
const commitName = "transaction.commit";

/** Which prepared statement a Bind is of. */
export function nameOfBind({ bytes }: Frame): string {
  return textsOf(bytes.subarray(5), 2)[1] ?? "";
}

/** The server's side of one connection. */
export class Session {
  readonly pid: number;
  readonly process: SimProcess;
  /** The way back to the client. */
  readonly down: Pipe;
  readonly #reader = new FrameReader();
  #frames: Frame[] = [];
  /** What PostgreSQL said last: idle, in a transaction, or in one that failed. */
  status: "I" | "T" | "E" = "I";
  over = false;
  listens = false;
  /** Labels of the transaction that is open. */
  transaction: string[] = [];

  constructor(pid: number, process: SimProcess, down: Pipe) {
    this.pid = pid;
    this.process = process;
    this.down = down;
  }

  /** The whole units that are there now; `startup` and `X` (goodbye) come alone. */
  receive(bytes: Buffer): Unit[] {
    const units: Unit[] = [];
    for (const frame of this.#reader.read(bytes)) {
      this.#frames.push(frame);
      if (!endsUnit.has(frame.type)) continue;
      units.push(unitOf(this, this.#frames));
      this.#frames = [];
    }
    return units;
  }
}

const endsUnit: ReadonlySet<string> = new Set(["startup", "Q", "S", "X"]);

function unitOf(session: Session, frames: readonly Frame[]): Unit {
  const [first] = frames;
  if (first?.type === "Q") {
    const [text = ""] = textsOf(first.bytes.subarray(5), 1);
    const label = text.replaceAll(/\s+/g, " ").slice(0, labelCharsMax);
    return { session, frames, text, label, names: [label], commits: text === "commit" };
  }
  const all = frames.filter(({ type }) => type === "B").map(nameOfBind);
  const names = all.filter((name) => !name.startsWith("transaction."));
  const commits = all.at(-1) === commitName;
  const label = [...names, ...(commits ? ["commit"] : [])].join(" ");
  return { session, frames, text: null, label: label || (first?.type ?? ""), names, commits };
}
