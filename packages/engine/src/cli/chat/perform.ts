import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import type { Command } from "./commands.ts";
import { CommandError } from "./command-error.ts";
import { helpText } from "./commands.ts";
import { historyInks } from "./screen.ts";
import type { Session } from "./session.ts";
import { decisionsOf } from "./decisions.ts";
import { usageLines } from "./usage.ts";
import { queuedLine } from "./wording.ts";

/** How many messages of a chat that is opened are shown. */
export const recentMessagesMax = 6;
const chatsMax = 20;

/** @throws CommandError, ParleyApiError, ParleyNetworkError */
export async function perform(session: Session, command: Command): Promise<void> {
  const call = { signal: session.signal };
  const { client } = session;
  switch (command.name) {
    case "nothing":
    // Whoever reads the lines leaves.
    case "quit":
      return;
    case "bad":
      throw new CommandError(command.text);
    case "say":
      return session.say(command.text);
    case "help":
      return session.notice(helpText);
    case "queue":
      return showQueue(session);
    case "usage": {
      const usage = await client.usage(opened(session), call);
      for (const line of usageLines(usage)) session.notice(line);
      return;
    }
    case "history":
      return session.ink(
        { kind: "break" },
        ...historyInks(session.screen.transcript.messages.slice(-command.count)),
      );
    case "stop":
    case "hold":
      opened(session);
      return session.stop(command.name === "hold");
    case "retry":
      return session.wake(() => client.retry(opened(session), call));
    case "compact":
      return session.wake(() => client.compact(opened(session), call));
    case "clear":
      await client.clear(opened(session), call);
      return;
    case "steer":
      opened(session);
      return session.say(command.text, "steer");
    case "edit":
      return edit(session, command.target, command.text);
    case "delete":
      await client.deleteQueued(opened(session), queuedAt(session, command.at), call);
      return;
    case "promote":
      return session.wake(async () => {
        const queued = queuedAt(session, command.at);
        return (await client.promoteQueued(opened(session), queued, call)).chat;
      });
    case "title":
      await client.title(opened(session), command.title, call);
      return;
    case "tool": {
      const { callId, output } = command;
      const results = [{ tool_call_id: callId, output }];
      return session.wake(
        async () => (await client.submitToolResults(opened(session), results, call)).chat,
      );
    }
    case "approve":
    case "deny": {
      const decisions = decisionsOf(command, session.screen.transcript.actions?.actions ?? []);
      return session.wake(() => client.decideApprovals(opened(session), decisions, call));
    }
    case "model":
      return command.model === null ? listModels(session) : takeModel(session, command.model);
    case "new":
      await session.leave();
      session.notice("another chat: it begins with your next message");
      return command.text === null ? undefined : session.say(command.text);
    case "chats":
      return listChats(session);
    case "open":
      return open(session, command.chat);
    case "attach":
      return command.path === null ? showAttached(session) : attach(session, command.path);
    default:
      return command satisfies never;
  }
}

async function attach(session: Session, path: string): Promise<void> {
  const full = path.startsWith("~/") ? join(homedir(), path.slice(2)) : path;
  const bytes = await readFile(full).catch((error: unknown) => {
    throw new CommandError(`${path} cannot be read: ${reasonOf(error)}`);
  });
  const file = await session.client.uploadFile(new Blob([bytes]), {
    name: basename(full),
    signal: session.signal,
  });
  session.attached = [...session.attached, file];
  showAttached(session);
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "there is no such file";
  return code === "EISDIR" ? "it is a folder" : String(code ?? error);
}

function showAttached(session: Session): void {
  if (session.attached.length === 0) session.notice("nothing is attached");
  for (const { name, media_type, size_bytes } of session.attached) {
    session.notice(`with your next message: ${name} (${media_type}, ${size_bytes} bytes)`);
  }
}

function opened({ chatId }: Session): string {
  if (chatId === null) throw new CommandError("there is no chat yet: it begins with a message");
  return chatId;
}

function showQueue(session: Session): void {
  const { queue } = session.screen.transcript;
  if (queue.length === 0) session.notice("nothing waits");
  for (const [at, queued] of queue.entries()) session.notice(queuedLine(queued, at));
}

function queuedAt(session: Session, at: number): number {
  const queued = session.screen.transcript.queue[at - 1];
  if (queued === undefined) throw new CommandError(`nothing waits at ${at}: see /queue`);
  return queued.id;
}

async function edit(session: Session, target: number | "last", content: string): Promise<void> {
  const chatId = opened(session);
  const call = { signal: session.signal };
  if (target !== "last") {
    await session.client.editQueued(chatId, queuedAt(session, target), { content }, call);
    return;
  }
  const last = session.screen.transcript.messages.findLast(({ role }) => role === "user");
  if (last === undefined) throw new CommandError("there is no message to edit");
  await session.wake(
    async () => (await session.client.editMessage(chatId, last.id, { content }, call)).chat,
  );
}

async function listModels(session: Session): Promise<void> {
  const models = await session.client.models({ signal: session.signal });
  const current = session.screen.transcript.chat?.model ?? session.model;
  for (const { id, is_default } of models) {
    const taken = current === null ? is_default : id === current;
    session.notice(`${taken ? "*" : " "} ${id}`);
  }
}

async function takeModel(session: Session, model: string): Promise<void> {
  const { chatId } = session;
  if (chatId === null) session.notice(`model: ${model}`);
  else await session.client.patchChat(chatId, { model }, { signal: session.signal });
  session.model = model;
}

async function listChats(session: Session): Promise<void> {
  const query = { limit: chatsMax };
  const { chats } = await session.client.listChats(query, { signal: session.signal });
  session.listed = chats.map((chat) => chat.id);
  if (chats.length === 0) session.notice("there are no chats yet");
  for (const [at, { id, title, status }] of chats.entries()) {
    const state = status === "waiting" ? "" : ` [${status}]`;
    session.notice(`${String(at + 1).padStart(2)}  ${id}  ${title ?? "(no title)"}${state}`);
  }
}

async function open(session: Session, which: string): Promise<void> {
  const chatId = session.listed[Number(which) - 1] ?? which;
  const chat = await session.client.getChat(chatId, { signal: session.signal });
  session.notice(`chat ${chat.id} · ${chat.title ?? "(no title)"} · ${chat.model}`);
  await session.open(chat.id, recentMessagesMax);
}
