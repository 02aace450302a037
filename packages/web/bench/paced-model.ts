import {
  startProviderServer,
  type ProviderServer,
  type Script,
} from "../../engine/test/provider-server.ts";
import { replyScript } from "../../engine/test/provider-scripts.ts";

/** What the model is asked for. */
export interface Pace {
  /** Counts the replies of a chat. */
  turn: number;
  parts: number;
  /** 0: as fast as they can be sent. */
  perSecond: number;
}

const words = "Each of these words is one part of the reply, and *some* of them have marks. ".split(
  /(?<= )/,
);

/** A paragraph is over after so many words. */
const paragraphWords = 60;

/** The name under which a chat asks for this model. */
export const pacedModel = "openai-chat/paced";

/** A provider's server whose model says what the page is measured with: the newest message is the pace that is wanted. */
export async function startPacedModel(): Promise<ProviderServer> {
  return await startProviderServer({
    openaiChat: ({ body }) => scriptOf(paceOf(body["messages"])),
  });
}

export function asMessage(pace: Pace): string {
  return JSON.stringify(pace);
}

/** What the reply to it ends with, and nothing else has in it. */
export function lastWordOf({ turn }: Pick<Pace, "turn">): string {
  return `finis-${turn}`;
}

function paceOf(messages: unknown): Pace {
  const newest = (messages as { role: string; content: unknown }[]).at(-1)?.content;
  const text = typeof newest === "string" ? newest : (newest as { text: string }[])[0]?.text;
  return JSON.parse(text ?? "") as Pace;
}

function scriptOf({ turn, parts, perSecond }: Pace): Script {
  const text = Array.from({ length: parts }, (_, n) => {
    if (n === parts - 1) return lastWordOf({ turn });
    const word = words[n % words.length] ?? "";
    return (n + 1) % paragraphWords === 0 ? `${word.trimEnd()}\n\n` : word;
  });
  if (perSecond === 0) return replyScript("openai-chat", { text });
  const gates: Record<number, Promise<unknown>> = {};
  for (let n = 0; n < parts; n++) {
    gates[n] = new Promise((resolve) => setTimeout(resolve, (n * 1_000) / perSecond));
  }
  return replyScript("openai-chat", { text, gates });
}
