import { createClient } from "@parley/client";
import type { ResponseFormat } from "@parley/protocol";
import { systemClock, type Clock } from "../../lib/clock.ts";
import { systemRandom } from "../../lib/random.ts";
import { failureText } from "./failure.ts";
import { interact } from "./interactive.ts";
import { CommandError } from "./command-error.ts";
import { perform } from "./perform.ts";
import { pipe } from "./piped.ts";
import type { Session } from "./session.ts";

export interface ChatOptions {
  baseUrl: string;
  token: string;
  /** The chat to go on with. Absent: a new one. */
  chatId?: string | undefined;
  /** Of the new chat, or to change to. */
  model?: string | undefined;
  /** What replies shall be. Absent or null: what the model likes. */
  responseFormat?: ResponseFormat | null | undefined;
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
  errorOutput: NodeJS.WritableStream;
  /** A person is at the other end of input and output. */
  isTTY: boolean;
  clock?: Clock | undefined;
  /** How to hear of SIGINT where the input is no terminal; returns how to stop listening. */
  interrupts?: ((heard: () => void) => () => void) | undefined;
}

/**
 * `parley chat`. Resolves with the exit code: 0, 1 when something failed (it has been said on `errorOutput`), 130
 * after Ctrl-C.
 */
export async function runChat(options: ChatOptions): Promise<number> {
  const { clock = systemClock, isTTY, chatId, model = null, responseFormat = null } = options;
  try {
    const client = createClient({ baseUrl: options.baseUrl, token: options.token });
    const begin = async (session: Session): Promise<void> => {
      if (chatId === undefined) {
        const models = await client.models({ signal: session.signal });
        const taken = model ?? models.find(({ is_default }) => is_default)?.id ?? "no model";
        if (isTTY) session.notice(`${taken} · /help says what there is`);
        return;
      }
      if (isTTY) await perform(session, { name: "open", chat: chatId });
      else await session.open((await client.getChat(chatId)).id, 0);
      if (model !== null) await perform(session, { name: "model", model });
    };
    const session = { client, random: systemRandom(clock), model, responseFormat };
    const common = { session, input: options.input, output: options.output, begin };
    return isTTY
      ? await interact({ ...common, clock })
      : await pipe({
          ...common,
          errorOutput: options.errorOutput,
          interrupts: options.interrupts,
        });
  } catch (error) {
    const text = error instanceof CommandError ? error.message : failureText(error, "chat failed");
    options.errorOutput.write(`parley chat: ${text}\n`);
    return 1;
  }
}
