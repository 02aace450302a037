import type { Part } from "@parley/protocol";
import type { Commit } from "../domain/commit.ts";
import type { ChatRow, MessageRow, QueueRow } from "../domain/rows.ts";
import type { Cut, SyncRequest, SyncResult } from "../store/sync.ts";
import type { ShownPreview } from "./plan.ts";

/** What may happen to a chat, as far as a stream can tell. */
export type Op =
  | { readonly kind: "reply" | "many" | "queue" | "attempt" | "part" | "retry" | "fail" }
  | { readonly kind: "metadata" | "ownership" | "hidden" }
  | { readonly kind: "edit"; readonly back: number };

const epoch = new Date(0);

/** A chat as the database keeps it, in memory: rows, versions and deletions by the rules of the triggers. */
export class ModelChat {
  chat: ChatRow;
  readonly #messages: MessageRow[] = [];
  #queue: QueueRow[] = [];
  #nextId = 1;
  #said: { version: number; attempt: number; seq: number; text: string } | null = null;

  constructor(id: string) {
    this.chat = {
      id,
      owner_id: id,
      parent_chat_id: null,
      root_chat_id: id,
      title: null,
      labels: {},
      pinned: false,
      model: "m",
      reasoning_effort: null,
      system_prompt: null,
      client_tools: [],
      model_settings: null,
      fallback_models: null,
      attempt_models: null,
      running_since: null,
      sub_agents: true,
      budget: null,
      family_budget: null,
      usage_replies: 0,
      usage_unpriced_replies: 0,
      usage_input_tokens: 0,
      usage_output_tokens: 0,
      usage_total_tokens: 0,
      usage_cost_usd_micros: 0,
      mcp_servers: [],
      mcp_revision: 0,
      notices: [],
      status: "running",
      archived: false,
      queue_length: 0,
      snapshot_version: 1,
      history_version: 1,
      queue_version: 0,
      retry_state_version: 0,
      metadata_version: 1,
      generation_attempt: 0,
      worker_id: null,
      runner_id: null,
      runnable_since: null,
      last_error: null,
      retry_state: null,
      requires_action_deadline_at: null,
      compaction_requested_at: null,
      compact_only: false,
      hold: false,
      takeovers: 0,
      turn_message_id: null,
      created_at: epoch,
      updated_at: epoch,
      last_message_at: epoch,
    };
    this.#insert("user", "both");
  }

  visible(): MessageRow[] {
    return this.#messages.filter((m) => !m.deleted && m.visibility !== "model");
  }

  /** The newest episode of the current history version that has parts, as a replica that has it shows it. */
  shown(chat: ChatRow): ShownPreview | null {
    const said = this.#said;
    if (said === null || chat.status !== "running" || said.version !== chat.history_version)
      return null;
    const { version: history_version, attempt: generation_attempt, seq, text } = said;
    const parts: Part[] = [{ type: "text", text }];
    return {
      position: { history_version, generation_attempt, seq },
      parts: () => parts,
      since: () => null,
    };
  }

  /** What one bundle commits; null where nothing can be done. */
  apply(op: Op): Commit | null {
    if (op.kind === "part") {
      this.#say();
      return null;
    }
    const before = this.chat;
    if (op.kind === "metadata") {
      this.#set({ metadata_version: before.metadata_version + 1, title: `t${this.#nextId}` });
      return this.#commit(before, [], false, null);
    }
    this.#set({ snapshot_version: before.snapshot_version + 1 });
    const queued = this.#queue.length;
    const first = this.#nextId;
    const cut = op.kind === "edit" && this.#cut(op.back);
    this.#transition(op);
    const changed = this.#messages.filter((m) => m.id >= first);
    return this.#commit(before, changed, cut, this.#queue.length === queued ? null : this.#queue);
  }

  read(request: SyncRequest): SyncResult {
    const visible = this.visible();
    const { since, cutsAfter, window } = request;
    const changed =
      since &&
      visible.filter(
        (m) =>
          m.revision > since.revision || (m.revision === since.revision && m.id > since.message_id),
      );
    return {
      chat: this.chat,
      changed: changed !== null && changed.length > request.changedMax ? null : changed,
      cuts: cutsAfter === null ? [] : this.#cuts(cutsAfter),
      window:
        window === 0
          ? null
          : { messages: visible.slice(-window), hasMore: visible.length > window },
      queue: this.#queue,
      actions: null,
    };
  }

  #transition(op: Op): void {
    switch (op.kind) {
      case "reply":
        this.#insert("assistant", "both");
        this.#set({ status: "waiting", last_error: null });
        break;
      case "many":
        for (let i = 0; i < 130; i++) this.#insert("user", "both");
        this.#running();
        break;
      case "hidden":
        this.#insert("system", "model");
        break;
      case "edit":
        this.#insert("user", "both");
        this.#running();
        break;
      case "queue":
        this.#enqueue();
        break;
      case "attempt":
        this.#running();
        this.#set({ generation_attempt: this.chat.generation_attempt + 1 });
        break;
      case "retry":
        if (this.chat.generation_attempt > 0) this.#retry();
        break;
      case "fail":
        this.#set({
          status: "error",
          last_error: { kind: "server", message: `e${this.#nextId}`, retryable: true },
        });
        break;
      case "ownership":
        this.#set({ worker_id: this.chat.id, runner_id: this.chat.id });
        break;
      default:
        break;
    }
  }

  #running(): void {
    this.#set({ status: "running", last_error: null, turn_message_id: this.#nextId - 1 });
  }

  #retry(): void {
    const { snapshot_version, generation_attempt } = this.chat;
    this.#set({
      retry_state_version: snapshot_version,
      retry_state: {
        attempt: generation_attempt,
        delay_ms: 1,
        retrying_at: epoch.toISOString(),
        kind: "server",
        message: `r${snapshot_version}`,
      },
    });
  }

  #say(): void {
    const { history_version: version, generation_attempt: attempt, status } = this.chat;
    if (status !== "running" || attempt === 0 || this.chat.retry_state !== null) return;
    const same = this.#said?.version === version && this.#said.attempt === attempt;
    const { seq, text } = same && this.#said ? this.#said : { seq: 0, text: "" };
    this.#said = { version, attempt, seq: seq + 1, text: `${text}w` };
  }

  #enqueue(): void {
    const { id: chat_id, snapshot_version } = this.chat;
    this.#queue = [
      ...this.#queue,
      {
        id: this.#nextId++,
        chat_id,
        position: this.#queue.length,
        manner: "queue",
        parts: [],
        model: null,
        reasoning_effort: null,
        model_settings: null,
        response_format: null,
        created_by: null,
        client_id: null,
        created_at: epoch,
      },
    ];
    this.#set({ queue_length: this.#queue.length, queue_version: snapshot_version });
  }

  #cut(back: number): boolean {
    const live = this.#messages.filter((m) => !m.deleted);
    const target = live[Math.max(0, live.length - 1 - back)];
    if (target === undefined) return false;
    this.#messages.forEach((m, i) => {
      if (m.deleted || m.id < target.id) return;
      this.#messages[i] = { ...m, deleted: true, revision: this.chat.snapshot_version };
    });
    return true;
  }

  #cuts(after: number): Cut[] {
    const cuts = new Map<number, number>();
    for (const m of this.#messages) {
      if (m.deleted && m.revision > after && !cuts.has(m.revision)) cuts.set(m.revision, m.id);
    }
    return [...cuts].map(([revision, first_id]) => ({ revision, first_id }));
  }

  #insert(role: MessageRow["role"], visibility: MessageRow["visibility"]): void {
    const { snapshot_version, history_version, generation_attempt } = this.chat;
    const episode =
      role === "assistant" && generation_attempt > 0
        ? { history_version, generation_attempt }
        : null;
    this.#messages.push({
      id: this.#nextId++,
      chat_id: this.chat.id,
      revision: snapshot_version,
      role,
      visibility,
      parts: [],
      model: null,
      reasoning_effort: null,
      model_settings: null,
      usage: null,
      finish_reason: null,
      episode,
      created_by: null,
      client_id: null,
      is_boundary: false,
      replaces: null,
      response_format: null,
      deleted: false,
      created_at: epoch,
    });
    this.#set({ history_version: snapshot_version, generation_attempt: 0 });
  }

  #set(changes: Partial<ChatRow>): void {
    const before = this.chat;
    this.chat = { ...before, ...changes };
    const cleared =
      before.retry_state !== null &&
      (this.chat.generation_attempt !== before.generation_attempt ||
        this.chat.status !== "running");
    if (!cleared) return;
    const retry_state_version = this.chat.snapshot_version;
    this.chat = { ...this.chat, retry_state: null, retry_state_version };
  }

  #commit(
    before: ChatRow,
    messages: MessageRow[],
    historyCut: boolean,
    queue: QueueRow[] | null,
  ): Commit {
    return { chat: this.chat, before, deleted: false, messages, historyCut, queue, actions: null };
  }
}
