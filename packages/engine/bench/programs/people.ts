import { Agent, request } from "node:http";
import { WebSocket } from "ws";
import { quantiles, type Quantiles } from "../rig/figures.ts";
import { answer } from "../rig/program.ts";
import { nowMs, sleep } from "../rig/time.ts";

/** People who send a message, watch for the first word of the answer, wait for its end, and send the next. */

export interface Place {
  /** Where messages are posted. */
  readonly post: string;
  /** Where the chat is followed. */
  readonly stream: string;
  readonly token?: string;
  readonly model?: string;
}

export interface Wave {
  /** How many send at the same time. */
  readonly atOnce: number;
  /** How many turns each chat gets; else as many as fit in `ms`. */
  readonly turns?: number;
  readonly ms?: number;
}

export interface Lived {
  readonly turns: number;
  readonly failures: number;
  readonly ms: number;
  /** From the click to the first text on the screen. */
  readonly first: Quantiles;
  /** From the click to the whole answer. */
  readonly whole: Quantiles;
}

/** Longer than the slowest machine takes for a turn. */
const turnMsMax = 30_000;
/** Text with the moment at which it was made, live or as part of a preview. */
const word = ':"t=';
const reply = /"type":"message",.*"role":"assistant"/;

const agent = new Agent({ keepAlive: true });

class Person {
  readonly #place: Place;
  #onFrame: (text: string, at: number) => void = () => {};
  #socket: WebSocket | null = null;
  cursor: string | undefined;

  constructor(place: Place) {
    this.#place = place;
  }

  async open(stream = this.#place.stream): Promise<void> {
    const { token } = this.#place;
    const resumed = this.cursor === undefined ? stream : `${stream}?cursor=${this.cursor}`;
    const socket = new WebSocket(resumed, {
      perMessageDeflate: false,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
    this.#socket = socket;
    socket.on("message", (data: Buffer) => {
      const text = data.toString("utf8");
      const at = text.lastIndexOf('"cursor":"');
      if (at >= 0) this.cursor = text.slice(at + 10, text.indexOf('"', at + 10));
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

  /** Everything that had been said is on the screen. */
  async ready(stream: string): Promise<number> {
    const ready = this.#seen((text) => text.includes('"type":"ready"'));
    await Promise.all([this.open(stream), ready]);
    this.#onFrame = () => {};
    return await ready;
  }

  async turn(content: string): Promise<{ first: number; whole: number }> {
    const first = this.#seen((text) => text.includes(word));
    const whole = this.#seen((text) => reply.test(text));
    const startedAt = nowMs();
    try {
      const [, firstAt, wholeAt] = await Promise.all([this.#post(content), first, whole]);
      return { first: firstAt - startedAt, whole: wholeAt - startedAt };
    } finally {
      this.#onFrame = () => {};
    }
  }

  close(): void {
    this.#socket?.terminate();
  }

  async #post(content: string): Promise<void> {
    const { post, token, model } = this.#place;
    const answered = Promise.withResolvers<void>();
    const headers = {
      "content-type": "application/json",
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
    const call = request(post, { method: "POST", agent, headers }, (response) => {
      response.resume();
      if (response.statusCode === 200) response.on("end", () => answered.resolve());
      else answered.reject(new Error(`answered ${response.statusCode}`));
    });
    call.on("error", answered.reject);
    call.end(JSON.stringify({ content, ...(model !== undefined && { model }) }));
    await answered.promise;
  }
}

let people: Person[] = [];

async function live({ atOnce, turns = Infinity, ms = Infinity }: Wave): Promise<Lived> {
  const startedAt = nowMs();
  const firsts: number[] = [];
  const wholes: number[] = [];
  let failures = 0;
  let next = 0;
  const lane = async (): Promise<void> => {
    /* oxlint-disable no-await-in-loop */
    while (next < people.length) {
      const person = people[next++];
      for (let n = 0; n < turns && nowMs() - startedAt < ms; n++) {
        try {
          const { first, whole } = (await person?.turn(`Message ${n}.`)) ?? { first: 0, whole: 0 };
          firsts.push(first);
          wholes.push(whole);
        } catch {
          failures += 1;
        }
      }
    }
    /* oxlint-enable no-await-in-loop */
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  const took = nowMs() - startedAt;
  const [first, whole] = [quantiles(firsts), quantiles(wholes)];
  return { turns: wholes.length, failures, ms: took, first, whole };
}

answer({
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
  /** All at once, each with its cursor, at these addresses. The times until each had everything. */
  async comeBack(streams: readonly string[]): Promise<Quantiles & { failures: number }> {
    const startedAt = nowMs();
    for (const person of people) person.close();
    const came = await Promise.allSettled(
      people.map(async (person, i) => await person.ready(streams[i] ?? "")),
    );
    const times = came.flatMap((one) =>
      one.status === "fulfilled" ? [one.value - startedAt] : [],
    );
    return { ...quantiles(times), failures: came.length - times.length };
  },
  leave() {
    for (const person of people) person.close();
    people = [];
  },
});
