import { foldInto, type LivePart, type Part } from "@parley/protocol";
import type { ChatRow } from "../../domain/rows.ts";
import type { ReadyCall } from "../../models/model-port.ts";
import type { EpisodeKey } from "../../parts/ports.ts";
import type { ChatTools } from "../chat-tools.ts";
import type { Transcript } from "../tasks/transcript.ts";

/** What was said in an attempt, whole: unlike the part buffer's, this copy is never cut. */
export interface Said {
  readonly key: EpisodeKey;
  readonly parts: readonly Part[];
}

/** A turn that its message begins, with the attempt that is recorded with it. */
interface Begun {
  readonly transcript: Transcript;
  readonly attempt: number;
}

/**
 * What a runner remembers from task to task. Everything in it is named by history version, so that nothing of it is used
 * for a history that it does not belong to.
 */
export class RunnerMemory {
  #newest: { key: EpisodeKey; parts: Part[] } | null = null;
  #transcript: Transcript | null = null;
  #begun: Begun | null = null;
  #call: ReadyCall | null = null;
  #tools: { readonly revision: number; readonly tools: ChatTools } | null = null;

  /** Follows a new attempt. The one before it counts until this one has its first part. */
  listen(key: EpisodeKey): (live: LivePart) => void {
    const said = { key, parts: [] as Part[] };
    return (live) => {
      foldInto(said.parts, live);
      if (said.parts.length > 0) this.#newest = said;
    };
  }

  /** The newest attempt with any parts at this history version. */
  said(historyVersion: number): Said | null {
    return this.#newest?.key.history_version === historyVersion ? this.#newest : null;
  }

  remember(transcript: Transcript): void {
    this.#transcript = transcript;
  }

  transcript(historyVersion: number): Transcript | null {
    return this.#transcript?.history_version === historyVersion ? this.#transcript : null;
  }

  /** What the turn begins with, known before the commit that begins it; that commit may record the first attempt. */
  prepare(transcript: Transcript, attempt: number): void {
    this.#transcript = transcript;
    this.#begun = { transcript, attempt };
  }

  /**
   * The transcript of the attempt that the row names, where it was recorded with the message; once. Where it was not, the
   * call that was made ready for it is no good: a budget may hold the next one.
   */
  begun(row: ChatRow): Transcript | null {
    const begun = this.#begun;
    this.#begun = null;
    if (begun !== null && isBegun(begun, row)) return begun.transcript;
    this.dropCall();
    return null;
  }

  /** The call that the turn begins with, made ready by `make` before it is known whether it does. */
  holdCall(make: (transcript: Transcript) => ReadyCall | null): void {
    if (this.#begun !== null) this.#call ??= make(this.#begun.transcript);
  }

  /** The commit has happened, and this is its row: the call that was held for it may leave. */
  sendCall(row: ChatRow): void {
    if (this.#begun !== null && isBegun(this.#begun, row)) this.#call?.send();
  }

  /** The call of the attempt that has begun, where it was made ready: whoever takes it streams it. */
  takeCall(): ReadyCall | null {
    const call = this.#call;
    this.#call = null;
    return call;
  }

  dropCall(): void {
    this.takeCall()?.drop();
  }

  /** Named by the revision of the chat's servers. */
  rememberTools(revision: number, tools: ChatTools): void {
    this.#tools = { revision, tools };
  }

  tools(revision: number): ChatTools | null {
    return this.#tools?.revision === revision ? this.#tools.tools : null;
  }

  forget(): void {
    this.#transcript = null;
    this.#begun = null;
    this.dropCall();
  }
}

function isBegun({ transcript, attempt }: Begun, row: ChatRow): boolean {
  return (
    row.status === "running" &&
    row.retry_state === null &&
    row.generation_attempt === attempt &&
    row.history_version === transcript.history_version
  );
}
