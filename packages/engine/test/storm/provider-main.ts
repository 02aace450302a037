import { seededRandom } from "../../src/lib/random.ts";
import {
  replyScript,
  startProviderServer,
  type RecordedRequest,
  type Script,
  type Step,
} from "../provider-server.ts";
import { tagsIn, wantsTool } from "./tags.ts";

/**
 * A provider as a process of its own. A reply names the user messages that it answers, then goes on word by word, at the
 * pace of a model. Now and then the connection breaks in the middle, as providers' do.
 */

const pieceMs = 40;
const brokenShare = 0.02;
const random = seededRandom(process.argv[2] ?? "provider");

interface WireMessage {
  role: string;
  content?: unknown;
}

/** The user messages since the last reply, and whether a tool has answered since the last of them. */
function asked(messages: readonly WireMessage[]): { tags: string[]; toolAnswered: boolean } {
  const lastReply = messages.findLastIndex(
    (message) => message.role === "assistant" && textOf(message) !== "",
  );
  const since = messages.slice(lastReply + 1);
  const tags = since.filter(({ role }) => role === "user").flatMap((m) => tagsIn(textOf(m)));
  const lastUser = since.findLastIndex(({ role }) => role === "user");
  return { tags, toolAnswered: since.slice(lastUser + 1).some(({ role }) => role === "tool") };
}

function textOf({ content }: WireMessage): string {
  return typeof content === "string" ? content : content ? JSON.stringify(content) : "";
}

function pick(from: number, to: number): number {
  return from + Math.floor(random.float() * (to - from + 1));
}

function reply({ protocol, body }: RecordedRequest): Script {
  const { tags, toolAnswered } = asked(body["messages"] as WireMessage[]);
  const last = tags.at(-1) ?? "";
  if (wantsTool(last) && !toolAnswered) {
    const call = {
      id: `call_${last}`,
      name: "lookup",
      input: ['{"tag":', JSON.stringify(last), "}"],
    };
    // Where the server has a tool that must not run twice, it is called as well.
    const once = { id: `once_${last}`, name: "once", input: ["{}"] };
    const hasOnce = JSON.stringify(body["tools"] ?? []).includes('"name":"once"');
    return replyScript(protocol, { calls: hasOnce ? [call, once] : [call] });
  }
  const words = Array.from({ length: pick(6, 24) }, (_, n) => ` w${n}`);
  const text = [`Re ${tags.join(" ")} |`, ...words];
  const script: Step[] = [];
  for (const step of replyScript(protocol, { text })) {
    // Made when the reply gets there, not now: a gate is a promise that is asked for.
    script.push(step);
  }
  const paced = script.flatMap((step, n): Step[] => (n < 2 ? [step] : [pause(), step]));
  return random.float() < brokenShare
    ? [...paced.slice(0, pick(3, paced.length - 2)), { drop: true }]
    : paced;
}

/** A gate that opens after a moment, counted from when the reply gets to it. */
function pause(): Step {
  return {
    get gate() {
      return new Promise((resolve) => setTimeout(resolve, pieceMs * (0.5 + random.float())));
    },
  };
}

const provider = await startProviderServer({ openaiChat: reply }, process.argv[3]);
process.stdout.write(`port ${provider.port}\n`);
// It lives as long as the one who started it.
process.stdin.resume();
process.stdin.once("end", () => process.exit(0));
