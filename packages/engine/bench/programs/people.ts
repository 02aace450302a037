import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { quantiles, type Quantiles } from "../rig/figures.ts";
import { ask, bearer } from "../rig/http.ts";
import { answer } from "../rig/program.ts";
import { nowMs, sleep } from "../rig/time.ts";

/** People who send a message, watch for the first word of the answer, wait for its end, and send the next. */

export interface Place {
  /** Where messages are posted. */
  readonly post: string;
  /** Where the chat is followed; absent: the answer to the message is the stream. */
  readonly stream?: string;
  /** What is posted, where it is not the message's content. */
  readonly body?: unknown;
  readonly token?: string;
  readonly model?: string;
}

export interface Wave {
  /** How many send at the same time. */
  readonly atOnce: number;
  /** How many turns each chat gets; else as many as fit in `ms`. */
  readonly turns?: number;
  readonly ms?: number;
  /** Each opens his stream with his message, and closes it when he has the first text. */
  readonly cold?: boolean;
}

export interface Lived {
  readonly turns: number;
  readonly failures: number;
  readonly ms: number;
  /** That came over streams. */
  readonly bytes: number;
  /** From the click to the first text on the screen. */
  readonly first: Quantiles;
  /** From the click until the model made that text. */
  readonly made: Quantiles;
  /** From the click to the whole answer. */
  readonly whole: Quantiles;
}

/** Longer than the slowest machine takes for a turn. */
const turnMsMax = 30_000;
/** Text with the moment at which it was made, live or as part of a preview. */
const word = /: ?"t=([\d.]+)/g;
const reply = /"type":"message",.*"role":"assistant"/;

/** Times since the click. */
interface Turn {
  readonly first: number;
  readonly made: number;
  readonly whole: number;
}

/** When the first text in here was made, of what was made since a moment; NaN: there is none. */
function madeAt(text: string, since = 0): number {
  const moments = [...text.matchAll(word)].map(([, at]) => Number(at));
  return moments.find((at) => at >= since) ?? NaN;
}

class Person {
  readonly #place: Place;
  #onFrame: (text: string, at: number) => void = () => {};
  #socket: WebSocket | null = null;

  constructor(place: Place) {
    this.#place = place;
  }

  async open(): Promise<void> {
    const { stream } = this.#place;
    if (stream === undefined) return;
    const { token } = this.#place;
    const socket = new WebSocket(stream, {
      perMessageDeflate: false,
      headers: bearer(token),
    });
    this.#socket = socket;
    socket.on("message", (data: Buffer) => {
      const text = data.toString("utf8");
      bytes += data.length;
      this.#onFrame(text, nowMs());
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    socket.on("error", () => {});
  }

  async #seen(isIt: (text: string) => boolean): Promise<number> {
    const seen = Promise.withResolvers<number>();
    const before = this.#onFrame;
    this.#onFrame = (text, at) => {
      before(text, at);
      if (isIt(text)) seen.resolve(at);
    };
    const timer = setTimeout(() => seen.reject(new Error("nothing came")), turnMsMax);
    return await seen.promise.finally(() => clearTimeout(timer));
  }

  async turn(content: string): Promise<Turn> {
    if (this.#place.stream === undefined) return await this.#answered(content);
    let made = NaN;
    const first = this.#seen((text) => {
      if (Number.isNaN(made)) made = madeAt(text);
      return !Number.isNaN(made);
    });
    const whole = this.#seen((text) => reply.test(text));
    const startedAt = nowMs();
    try {
      const [, firstAt, wholeAt] = await Promise.all([this.#post(content), first, whole]);
      return { first: firstAt - startedAt, made: made - startedAt, whole: wholeAt - startedAt };
    } finally {
      this.#onFrame = () => {};
    }
  }

  /** A turn of somebody who was not there before: what was said earlier comes first, and is not it. */
  async coldTurn(content: string): Promise<Turn> {
    const startedAt = nowMs();
    let made = NaN;
    const first = this.#seen((text) => {
      if (Number.isNaN(made)) made = madeAt(text, startedAt);
      return !Number.isNaN(made);
    });
    const whole = this.#seen((text) => reply.test(text) && !Number.isNaN(madeAt(text, startedAt)));
    try {
      const [, , firstAt, wholeAt] = await Promise.all([
        this.open(),
        this.#post(content),
        first,
        whole,
      ]);
      return { first: firstAt - startedAt, made: made - startedAt, whole: wholeAt - startedAt };
    } finally {
      this.#onFrame = () => {};
      this.close();
    }
  }

  close(): void {
    this.#socket?.terminate();
  }

  /** A turn whose stream is the answer to its message. */
  async #answered(content: string): Promise<Turn> {
    const startedAt = nowMs();
    const response = await this.#ask(content);
    let [first, made] = [NaN, NaN];
    response.setEncoding("utf8");
    response.on("data", (text: string) => {
      if (!Number.isNaN(made)) return;
      made = madeAt(text);
      first = nowMs() - startedAt;
    });
    await once(response, "end");
    if (Number.isNaN(made)) throw new Error("nothing was said");
    return { first, made: made - startedAt, whole: nowMs() - startedAt };
  }

  async #post(content: string): Promise<void> {
    const response = await this.#ask(content);
    response.resume();
    await once(response, "end");
  }

  async #ask(content: string): Promise<IncomingMessage> {
    const { post, token, model, body } = this.#place;
    const message = { content, ...(model !== undefined && { model }) };
    return await ask(post, { body: body ?? message, headers: bearer(token) });
  }
}

let people: Person[] = [];
let bytes = 0;

async function live({ atOnce, turns = Infinity, ms = Infinity, cold }: Wave): Promise<Lived> {
  const startedAt = nowMs();
  bytes = 0;
  const firsts: number[] = [];
  const mades: number[] = [];
  const wholes: number[] = [];
  let failures = 0;
  let next = 0;
  const lane = async (): Promise<void> => {
    /* oxlint-disable no-await-in-loop */
    while (next < people.length) {
      const person = people[next++];
      for (let n = 0; n < turns && nowMs() - startedAt < ms; n++) {
        try {
          if (person === undefined) continue;
          const said = `Message ${n}.`;
          const turn = cold ? person.coldTurn(said) : person.turn(said);
          const { first, made, whole } = await turn;
          firsts.push(first);
          mades.push(made);
          wholes.push(whole);
        } catch (error) {
          // One of them says what it was; the table says how many.
          if (failures === 0) process.stderr.write(`  a turn failed: ${String(error)}\n`);
          failures += 1;
        }
      }
    }
    /* oxlint-enable no-await-in-loop */
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  const took = nowMs() - startedAt;
  const [first, made, whole] = [quantiles(firsts), quantiles(mades), quantiles(wholes)];
  return { turns: wholes.length, failures, ms: took, bytes, first, made, whole };
}

answer({
  /** Who is to come later is known, and has no stream yet. */
  know(places: readonly Place[]) {
    people = places.map((place) => new Person(place));
  },
  async come(places: readonly Place[]) {
    people = places.map((place) => new Person(place));
    /* oxlint-disable no-await-in-loop */
    for (let i = 0; i < people.length; i += 50) {
      await Promise.all(people.slice(i, i + 50).map(async (person) => await person.open()));
    }
    /* oxlint-enable no-await-in-loop */
    // The first sync is none of the turn's.
    await sleep(200);
  },
  live,
  leave() {
    for (const person of people) person.close();
    people = [];
  },
});
