import type { Json } from "@parley/protocol";

/** What a line says. */
export type Command =
  | { name: "say"; text: string }
  | { name: "help" | "queue" | "stop" | "hold" | "retry" | "compact" | "clear" | "chats" | "quit" }
  | { name: "usage" }
  | { name: "new"; text: string | null }
  | { name: "edit"; target: number | "last"; text: string }
  | { name: "delete" | "promote"; at: number }
  | { name: "steer"; text: string }
  | { name: "model"; model: string | null }
  /** Null: what is attached. */
  | { name: "attach"; path: string | null }
  | { name: "open"; chat: string }
  | { name: "title"; title: string }
  | { name: "history"; count: number }
  | { name: "tool"; callId: string; output: Json }
  /** What follows the word: the id of a call, and a reason for a denial. */
  | { name: "approve" | "deny"; rest: string }
  | { name: "nothing" }
  /** The line makes no sense; `text` says why. */
  | { name: "bad"; text: string };

const historyCountDefault = 20;

export const helpText = `A line is a message; while the model works, it waits in the queue. Ctrl-C stops the model.
  /queue              what waits
  /edit N TEXT        change message N of the queue
  /edit last TEXT     replace your last message, and answer it anew
  /delete N           take message N out of the queue
  /promote N          stop the model and answer message N now
  /steer TEXT         tell the model while it works
  /stop               stop the model and keep what it said
  /hold               stop, and hold the queue back
  /retry              try a failed reply again
  /compact            have the model go on from a summary of the chat
  /clear              have the model forget the chat; what was said stays on record
  /attach [PATH]      send a file with the next message; which ones go with it
  /usage              what the chat has used and cost
  /model [NAME]       which models there are; take another one
  /new [TEXT]         begin another chat
  /chats              the newest chats
  /open ID            go to a chat (or its number in /chats)
  /title TEXT         give the chat a title
  /history [COUNT]    the last messages once more
  /tool CALL_ID JSON  the result of a tool call that waits for you
  /approve [CALL_ID]  let a call run that waits for an approval; "all" for all of them
  /deny [CALL_ID] [REASON]
                      do not let it run, and tell the model why
  /quit               leave; the chat goes on without you
A message that begins with a slash is written with two.`;

export function parseLine(line: string): Command {
  const text = line.trim();
  if (text === "") return { name: "nothing" };
  if (!text.startsWith("/")) return { name: "say", text: line };
  if (text.startsWith("//")) return { name: "say", text: text.slice(1) };
  const [word, rest] = cut(text.slice(1));
  switch (word) {
    case "help":
    case "queue":
    case "stop":
    case "hold":
    case "retry":
    case "compact":
    case "clear":
    case "chats":
    case "usage":
    case "quit":
      return { name: word };
    case "new":
      return { name: "new", text: rest === "" ? null : rest };
    case "edit":
      return parseEdit(rest);
    case "delete":
    case "promote": {
      const at = place(rest);
      return at === null ? bad(`/${word} N: the number that /queue shows`) : { name: word, at };
    }
    case "steer":
      return rest === "" ? bad("/steer TEXT") : { name: "steer", text: rest };
    case "model":
      return { name: "model", model: rest === "" ? null : rest };
    case "attach":
      return { name: "attach", path: rest === "" ? null : unquoted(rest) };
    case "open":
      return rest === "" ? bad("/open ID") : { name: "open", chat: rest };
    case "title":
      return rest === "" ? bad("/title TEXT") : { name: "title", title: rest };
    case "history": {
      const count = rest === "" ? historyCountDefault : place(rest);
      return count === null ? bad("/history COUNT") : { name: "history", count };
    }
    case "tool":
      return parseTool(rest);
    case "approve":
    case "deny":
      return { name: word, rest };
    default:
      return bad(`there is no /${word}: /help says what there is`);
  }
}

function parseEdit(rest: string): Command {
  const [which, text] = cut(rest);
  const target = which === "last" ? "last" : place(which);
  if (target === null || text === "") return bad("/edit N TEXT, or /edit last TEXT");
  return { name: "edit", target, text };
}

function parseTool(rest: string): Command {
  const [callId, json] = cut(rest);
  if (json === "") return bad("/tool CALL_ID JSON");
  try {
    return { name: "tool", callId, output: JSON.parse(json) as Json };
  } catch {
    return bad(`that is no JSON: ${json} (text is written in quotes)`);
  }
}

function cut(text: string): [string, string] {
  const [, word = "", rest = ""] = /^(\S*)\s*([^]*)$/.exec(text) ?? [];
  return [word, rest];
}

/** Paths with blanks are often pasted in quotes. */
function unquoted(text: string): string {
  return /^(["'])(.+)\1$/.exec(text.trim())?.[2] ?? text.trim();
}

/** A number from 1. */
function place(text: string): number | null {
  return /^[1-9]\d{0,5}$/.test(text) ? Number(text) : null;
}

function bad(text: string): Command {
  return { name: "bad", text };
}
