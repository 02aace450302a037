import type { ChatHint, Commit } from "../../domain/commit.ts";
import { isBusy } from "../../domain/agent.ts";
import { settingsOver } from "../../domain/model-settings.ts";
import type { ChatRow } from "../../domain/rows.ts";
import type { Bundle } from "../../machine/bundle.ts";
import type { ChatServers } from "../../machine/chat-servers.ts";
import { ChatSignals } from "../../machine/chat-signals.ts";
import { createChat } from "../../machine/transitions/create-chat.ts";
import { interrupt, interruptDescendants } from "../../machine/transitions/interrupt.ts";
import { sendMessage } from "../../machine/transitions/send-message.ts";
import type { ModelPort } from "../../models/model-port.ts";
import type { WriteTx } from "../../postgres/sql.ts";
import { readChat } from "../../store/chats.ts";
import { readDescendants, readStanding, type Standing } from "../../store/family.ts";
import { clientIdTaken } from "../../store/queue.ts";
import type {
  Agent,
  AgentCall,
  MessageRequest,
  SpawnRequest,
  SubAgents,
  WaitReport,
  WaitRequest,
} from "../../tools/sub-agents/port.ts";
import { change, read, Refused, type CallDeps } from "./calls.ts";
import { filesNamed } from "./files.ts";
import { agentOf, noSuchAgent } from "./report.ts";
import { waitForAgents } from "./wait.ts";

export interface SubAgentLimits {
  /** Levels below a root. */
  readonly depthMax: number;
  /** Children of one chat whose turns are not over. */
  readonly busyMax: number;
  readonly queueMessagesMax: number;
}

export interface SubAgentDeps extends CallDeps {
  readonly models: Pick<ModelPort, "has">;
  readonly limits: SubAgentLimits;
  /** What the chat has brought along, its sub-agents have too. */
  readonly servers?: ChatServers;
}

/** Sub-agents as chats. What is committed, here and elsewhere, it hears of to end waits soon. */
export class SubAgentService implements SubAgents {
  readonly #deps: SubAgentDeps;
  readonly #signals = new ChatSignals();

  constructor(deps: SubAgentDeps) {
    this.#deps = deps;
  }

  onCommits(commits: readonly Commit[]): void {
    this.#signals.committed(commits);
  }

  onHint(hint: ChatHint): void {
    this.#signals.hint(hint);
  }

  /** The call's own id is the child's: run again, the call finds the child that it has made. */
  async spawn(call: AgentCall, request: SpawnRequest): Promise<Agent> {
    const { models, limits } = this.#deps;
    const { model } = request;
    if (model !== undefined && !models.has(model)) {
      throw new Refused(`There is no model "${model}" here. Leave it out to use your own.`);
    }
    const id = call.idempotencyKey;
    return await change(this.#deps, call, "sub_agents.spawn", async (parent, transaction) => {
      const { tx } = transaction;
      const made = await readChat(tx, id);
      if (made !== undefined) return await this.#find(tx, parent.id, id);
      const standing = await readStanding(tx, parent.id, id);
      assertAllowed(standing);
      if (standing.deleted) throw new Refused(`The sub-agent ${id} was deleted.`);
      if (standing.depth >= limits.depthMax) {
        throw new Refused(
          `You are ${standing.depth} levels below the first agent, and sub-agents may be ${limits.depthMax} levels deep. Do the work yourself.`,
        );
      }
      assertRoom(standing, limits);
      const chat = {
        id,
        owner_id: parent.owner_id,
        parent_chat_id: parent.id,
        root_chat_id: parent.root_chat_id,
        title: request.title ?? null,
        labels: {},
        sub_agents: parent.sub_agents,
        model: model ?? standing.model,
        reasoning_effort: model === undefined ? standing.reasoning_effort : null,
        system_prompt: request.system_prompt ?? parent.system_prompt,
        client_tools: [],
        model_settings:
          model === undefined
            ? settingsOver(standing.model_settings, standing.message_settings)
            : null,
        fallback_models: model === undefined ? standing.fallback_models : null,
        status: "running",
      } as const;
      const files = await filesNamed(tx, parent.id, request.files);
      const message = { role: "user", parts: [textPart(request.prompt), ...files] } as const;
      await transaction.create(
        chat,
        async (bundle) => {
          await createChat(bundle, { messages: [message] });
          await this.#bringAlong(bundle, parent);
        },
        { acquire: true },
      );
      return { id, title: chat.title, model: chat.model, status: "running" };
    });
  }

  async #bringAlong(bundle: Bundle, parent: ChatRow): Promise<void> {
    const { servers } = this.#deps;
    if (servers === undefined || parent.mcp_servers.length === 0) return;
    await bundle.set(await servers.copy(bundle.tx, parent, bundle.sketch));
  }

  async message(call: AgentCall, request: MessageRequest): Promise<Agent> {
    const { id, when_busy } = request;
    const { limits } = this.#deps;
    const client_id = `call-${call.idempotencyKey}`;
    return await change(this.#deps, call, "sub_agents.message", async (parent, transaction) => {
      const { tx } = transaction;
      const agent = await this.#find(tx, parent.id, id);
      if (await clientIdTaken(tx, id, client_id)) return agent;
      const standing = await readStanding(tx, parent.id, id);
      assertAllowed(standing);
      if (!isWorking(agent)) assertRoom(standing, limits);
      const message = {
        parts: [textPart(request.content)],
        model: null,
        reasoning_effort: null,
        client_id,
        created_by: null,
      };
      const { queueMessagesMax } = limits;
      await transaction.update(
        id,
        (bundle) => sendMessage(bundle, { message, when_busy, queueMessagesMax }),
        { acquire: true },
      );
      return await this.#find(tx, parent.id, id);
    });
  }

  async stop(call: AgentCall, id: string): Promise<Agent> {
    return await change(this.#deps, call, "sub_agents.stop", async (parent, transaction) => {
      const { tx } = transaction;
      await this.#find(tx, parent.id, id);
      const chat = await transaction.lock(id);
      if (isBusy(chat) && !(chat.status === "interrupting" && chat.hold)) {
        // What is queued there is kept back: it would go on with that.
        await transaction.update(id, (bundle) => interrupt(bundle, { hold: true }), {
          acquire: true,
        });
      } else {
        await interruptDescendants(transaction, id);
      }
      return await this.#find(tx, parent.id, id);
    });
  }

  async list(call: AgentCall): Promise<readonly Agent[]> {
    const rows = await read(this.#deps, call, "sub_agents.list", (sql) =>
      readDescendants(sql, call.chatId),
    );
    return rows.map((row) => agentOf(row, call.chatId));
  }

  async wait(call: AgentCall, request: WaitRequest): Promise<WaitReport> {
    return await waitForAgents(this.#deps, this.#signals, call, request);
  }

  /** @throws Refused for whatever is not below the chat. */
  async #find(tx: WriteTx, chatId: string, id: string): Promise<Agent> {
    const row = (await readDescendants(tx, chatId)).find((agent) => agent.id === id);
    if (row === undefined) throw noSuchAgent(id);
    return agentOf(row, chatId);
  }
}

/** Asked of the chat and of everything above it: who switches sub-agents off means those that are there as well. */
function assertAllowed({ allowed }: Standing): void {
  if (!allowed) throw new Refused("Sub-agents are switched off for this chat.");
}

function assertRoom({ busy }: Standing, { busyMax }: SubAgentLimits): void {
  if (busy < busyMax) return;
  throw new Refused(
    `${busy} of your sub-agents work already, and no more than ${busyMax} may at a time. Wait for some of them first.`,
  );
}

function textPart(text: string): { readonly type: "text"; readonly text: string } {
  return { type: "text", text };
}

function isWorking({ status }: Agent): boolean {
  return status === "running" || status === "stopping" || status === "requires_action";
}
