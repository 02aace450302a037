import { ParleyApiError, type Transcript } from "@parley/client";
import type { Chat, Message, SendMessage } from "@parley/protocol";
import { settled } from "../follow.ts";
import { seededRandom, type Random } from "../../src/lib/random.ts";
import type { Fleet } from "./fleet.ts";
import { Screen } from "./screen.ts";
import { tagOf } from "./tags.ts";

/** What became of a message that the API took, as far as its author can know. */
export interface Sent {
  readonly tag: string;
  readonly clientId: string;
  readonly at: number;
  /** Set when it began a turn at once: what the wait for the first text is measured from. */
  historyVersion: number | null;
  /** It was in the queue when it was taken. */
  queued: boolean;
  /** Its author took it back. */
  deleted: boolean;
  /** An edit emptied the queue while it may have been in it. */
  perhapsCleared: boolean;
  /** Something was stopped after it was sent: its reply may have ended before it began. */
  perhapsStopped: boolean;
}

export const turnsPerChat = 5;
const screensPerChat = 3;

const tools = [
  { name: "lookup", description: "Looks something up.", input_schema: { type: "object" } },
];

/** How many of each were done. */
export type Deeds = Record<
  | "sent"
  | "queued"
  | "steered"
  | "interrupted"
  | "edited"
  | "deleted"
  | "promoted"
  | "hops"
  | "refused",
  number
>;

export const noDeeds = (): Deeds => ({
  sent: 0,
  queued: 0,
  steered: 0,
  interrupted: 0,
  edited: 0,
  deleted: 0,
  promoted: 0,
  hops: 0,
  refused: 0,
});

/** One chat and the person in front of it: five turns, each with whatever people do while a reply is coming. */
export class Life {
  readonly index: number;
  readonly sent: Sent[] = [];
  readonly screens: Screen[] = [];
  readonly deeds = noDeeds();
  chatId = "";
  turns = 0;
  readonly #fleet: Fleet;
  readonly #random: Random;
  readonly #thinkMs: number;

  constructor(index: number, fleet: Fleet, seed: string, thinkMs: number) {
    this.index = index;
    this.#fleet = fleet;
    this.#random = seededRandom(`${seed}/${index}`, { now: () => Date.now() });
    this.#thinkMs = thinkMs;
  }

  async live(signal: AbortSignal): Promise<void> {
    await this.#think();
    await this.#create();
    this.turns = 1;
    while (this.turns < turnsPerChat && !signal.aborted) {
      // oxlint-disable-next-line no-await-in-loop
      await this.#think();
      // oxlint-disable-next-line no-await-in-loop
      await this.#act();
      this.turns += 1;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.screens.map(async (screen) => await screen.close()));
  }

  get #screen(): Screen {
    return this.screens[0]!;
  }

  async #create(): Promise<void> {
    const sent = this.#new();
    const { chat } = await this.#fleet.anywhere((client) =>
      client.createChat({
        content: `Go ${sent.tag}`,
        model: "openai-chat/scripted",
        client_tools: tools,
        client_id: sent.clientId,
      }),
    );
    sent.historyVersion = chat.history_version;
    this.chatId = chat.id;
    this.sent.push(sent);
    this.deeds.sent += 1;
    for (let n = 0; n < screensPerChat; n++) {
      const answers =
        n === 0 ? (a: { actions: Actions }) => void this.#answerTools(a.actions) : null;
      this.screens.push(new Screen(chat.id, this.#fleet, answers));
    }
  }

  async #act(): Promise<void> {
    const chance = this.#random.float();
    if (this.#random.float() < 0.3) this.#hop();
    if (chance < 0.3) await this.#plain();
    else if (chance < 0.45) await this.#queue();
    else if (chance < 0.6) await this.#steer();
    else if (chance < 0.75) await this.#interrupt();
    else if (chance < 0.85) await this.#interruptWithMessage();
    else await this.#edit();
    if (this.#random.float() < 0.3) this.#hop();
  }

  /** Waits for the end of what runs, and asks something else. */
  async #plain(): Promise<void> {
    await this.#idle();
    await this.#send({});
  }

  /** Two at once: the second waits; perhaps it is taken back or put first. */
  async #queue(): Promise<void> {
    await this.#send({});
    const second = await this.#send({});
    if (second === null || second.queuedId === null || this.#random.float() < 0.4) return;
    const { queuedId, sent } = second;
    const key = this.#random.uuid();
    const options = { idempotencyKey: key };
    if (this.#random.float() < 0.5) {
      await this.#tolerating(async () => {
        await this.#fleet.anywhere((client) => client.deleteQueued(this.chatId, queuedId, options));
        sent.deleted = true;
        this.deeds.deleted += 1;
      });
    } else {
      this.#stops();
      await this.#tolerating(async () => {
        await this.#fleet.anywhere((client) =>
          client.promoteQueued(this.chatId, queuedId, options),
        );
        this.deeds.promoted += 1;
      });
    }
  }

  async #steer(): Promise<void> {
    await this.#send({});
    await this.#pause(0.3);
    await this.#send({ when_busy: "steer" });
    this.deeds.steered += 1;
  }

  /** Stop, in the middle of a reply or before it has begun. */
  async #interrupt(): Promise<void> {
    await this.#send({});
    await this.#pause(1);
    this.#stops();
    const wait = this.#random.float() < 0.3;
    const options = { idempotencyKey: this.#random.uuid() };
    await this.#tolerating(async () => {
      await this.#fleet.anywhere((client) => client.interrupt(this.chatId, { wait }, options));
      this.deeds.interrupted += 1;
    });
  }

  async #interruptWithMessage(): Promise<void> {
    await this.#send({});
    await this.#pause(0.6);
    this.#stops();
    await this.#send({ when_busy: "interrupt" });
    this.deeds.interrupted += 1;
  }

  /** Asks one of the last questions anew, whether or not it has been answered. */
  async #edit(): Promise<void> {
    if (this.#random.float() < 0.5) await this.#idle();
    const asked = this.#screen.transcript.messages.filter(({ role }) => role === "user");
    const target = asked.at(this.#random.float() < 0.7 ? -1 : -2) ?? asked.at(-1);
    if (target === undefined) return await this.#plain();
    const keep_queue = this.#random.float() < 0.5;
    const sent = this.#new();
    // What the edit takes away may have been answered half.
    this.#stops();
    if (!keep_queue) for (const each of this.sent) each.perhapsCleared = true;
    await this.#tolerating(async () => {
      const { chat } = await this.#fleet.anywhere((client) =>
        client.editMessage(this.chatId, target.id, {
          content: `Edited ${sent.tag}`,
          keep_queue,
          client_id: sent.clientId,
        }),
      );
      this.#took(sent, chat);
      this.deeds.edited += 1;
    });
  }

  async #send(
    body: Pick<SendMessage, "when_busy">,
  ): Promise<{ sent: Sent; queuedId: number | null } | null> {
    const sent = this.#new();
    return await this.#tolerating(async () => {
      const { chat, messages, queued } = await this.#fleet.anywhere((client) =>
        client.sendMessage(this.chatId, {
          ...body,
          content: `Say ${sent.tag}`,
          client_id: sent.clientId,
        }),
      );
      sent.queued = queued !== null;
      this.#took(sent, hasEntered(messages, sent) ? chat : null);
      this.deeds[queued === null ? "sent" : "queued"] += 1;
      return { sent, queuedId: queued?.id ?? null };
    });
  }

  #took(sent: Sent, chat: Chat | null): void {
    sent.historyVersion = chat?.history_version ?? null;
    this.sent.push(sent);
  }

  #new(): Sent {
    this.#made += 1;
    return {
      tag: tagOf(this.index, this.#made, this.#random.float() < 0.1),
      clientId: this.#random.uuid(),
      at: performance.now(),
      historyVersion: null,
      queued: false,
      deleted: false,
      perhapsCleared: false,
      perhapsStopped: false,
    };
  }

  #made = 0;

  /** Whatever has been said so far may be cut short by what is done now. */
  #stops(): void {
    for (const each of this.sent) each.perhapsStopped = true;
  }

  #hop(): void {
    const screen = this.screens[Math.floor(this.#random.float() * this.screens.length)];
    screen?.hop();
    this.deeds.hops += 1;
  }

  /** The state may have moved on since it was looked at: a refusal that says so is no fault. */
  async #tolerating<T>(act: () => Promise<T>): Promise<T | null> {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof ParleyApiError) || !movedOn.has(error.code)) throw error;
      this.deeds.refused += 1;
      return null;
    }
  }

  async #idle(): Promise<void> {
    await this.#screen.until(isIdle, 30_000);
  }

  async #think(): Promise<void> {
    await this.#pause((this.#thinkMs / 1_000) * 2 * this.#random.float());
  }

  async #pause(seconds: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 1_000 * seconds * this.#random.float()));
  }

  async #answerTools(actions: Actions): Promise<void> {
    const results = actions.map(({ tool_call_id }) => ({ tool_call_id, output: { found: "tea" } }));
    const options = { idempotencyKey: this.#random.uuid() };
    try {
      await this.#tolerating(
        async () =>
          await this.#fleet.anywhere((client) =>
            client.submitToolResults(this.chatId, results, options),
          ),
      );
    } catch (error) {
      this.#screen.faults.push(`tool results were refused: ${String(error)}`);
    }
  }
}

type Actions = NonNullable<Transcript["actions"]>["actions"];

const movedOn: ReadonlySet<string> = new Set([
  "message_not_found",
  "queued_message_not_found",
  "transition_rejected",
  "invalid_state",
  "chat_busy",
  "queue_full",
  "tool_result_mismatch",
]);

export function isIdle(transcript: Transcript): boolean {
  return settled(transcript) && transcript.queue.length === 0;
}

function hasEntered(messages: readonly Message[], { clientId }: Sent): boolean {
  return messages.some(({ client_id }) => client_id === clientId);
}
