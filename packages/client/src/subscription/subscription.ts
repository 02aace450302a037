import type { Runtime, Timer } from "../runtime.ts";
import { decode, type KnownTypes, type StreamEvent } from "./decode.ts";
import type { StreamLimits, SubscribeOptions } from "./options.ts";
import {
  initialState,
  step,
  type SubscriptionEffect,
  type SubscriptionInput,
  type SubscriptionStep,
} from "./state.ts";
import type { Transport } from "./transport.ts";

/**
 * A stream that outlives its connections. It connects when it is first read, and ends when the reader leaves the
 * loop, `close` is called or the signal is aborted.
 *
 * Reading throws `StreamEndedError` or `ParleyApiError` once the server has ended or refused the stream for good.
 */
export interface Subscription<E> extends AsyncIterable<E> {
  /** The same events, all at once that have arrived since the last reading. Never an empty batch. */
  batches(): AsyncIterableIterator<E[]>;
  /** The reader has lost its place: drops what is unread and begins anew, without a cursor. */
  resync(): void;
  close(): void;
}

export interface SubscriptionSettings extends Pick<
  SubscribeOptions,
  "cursor" | "signal" | "onConnection"
> {
  transport: Transport;
  known: KnownTypes;
  runtime: Runtime;
  limits: StreamLimits;
}

/** `E` is the union of the events that `known` names. */
export function createSubscription<E extends StreamEvent>(
  settings: SubscriptionSettings,
): Subscription<E> {
  const { runtime, limits, transport, signal } = settings;
  let state = initialState(settings.cursor);
  let connection: { close(): void } | null = null;
  let timer: Timer | null = null;
  let buffer: StreamEvent[] = [];
  let bufferChars = 0;
  let end = null as { error: Error | null } | null;
  let wakeReader: (() => void) | null = null;
  let read = false;
  let discards = 0;

  const inputs: SubscriptionInput[] = [];
  let stepping = false;

  /** An effect may bring the next input about at once: those wait until this one is through. */
  function dispatch(input: SubscriptionInput): void {
    inputs.push(input);
    if (stepping) return;
    stepping = true;
    try {
      for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
        const before = state.phase;
        const context = { nowMs: runtime.monotonicMs(), random: runtime.random(), limits };
        const result = step(state, next, context);
        state = result.state;
        for (const effect of result.effects) perform(effect);
        if (state.phase !== before) announce(result);
      }
    } finally {
      stepping = false;
    }
  }

  function announce({ effects, because }: SubscriptionStep): void {
    const { phase, failures } = state;
    if (phase === "idle") return;
    const wait = phase === "waiting" ? effects.find((e) => e.type === "set_timer") : undefined;
    settings.onConnection?.({
      phase,
      failures,
      ...(wait === undefined ? {} : { retryInMs: wait.ms }),
      ...(because === undefined ? {} : { end: because }),
    });
  }

  function perform(effect: SubscriptionEffect): void {
    switch (effect.type) {
      case "connect":
        connection = open(effect.connection, effect.cursor);
        return;
      case "disconnect":
        connection?.close();
        connection = null;
        return;
      case "set_timer":
        timer?.cancel();
        timer = runtime.timer(effect.ms, effect.label, () => dispatch({ type: "timer" }));
        return;
      case "clear_timer":
        timer?.cancel();
        timer = null;
        return;
      case "discard_buffer":
        buffer = [];
        bufferChars = 0;
        discards++;
        return;
      case "end":
        end = { error: effect.error };
        signal?.removeEventListener("abort", close);
        wakeReader?.();
        return;
      default:
        effect satisfies never;
    }
  }

  function open(id: number, cursor: string | undefined): { close(): void } {
    return transport.connect(cursor, {
      opened: () => dispatch({ type: "opened", connection: id }),
      heard: () => dispatch({ type: "heard", connection: id }),
      events: (values, chars) => receive(id, values, chars),
      ended: (why) => dispatch({ type: "connection_ended", connection: id, end: why }),
    });
  }

  function receive(id: number, values: readonly unknown[], chars: number): void {
    if (id !== state.connection || state.phase !== "open") return;
    let decoded;
    try {
      decoded = decode(values, settings.known);
    } catch (error) {
      connection?.close();
      dispatch({
        type: "connection_ended",
        connection: id,
        end: { kind: "failed", error: error as Error },
      });
      return;
    }
    for (const event of decoded.events) buffer.push(event);
    bufferChars += chars;
    if (decoded.events.length > 0) wakeReader?.();
    dispatch({
      type: "events",
      connection: id,
      cursor: decoded.cursor,
      ready: decoded.events.some((event) => event.type === "ready"),
      full: buffer.length > limits.bufferEventsMax || bufferChars > limits.bufferCharsMax,
    });
  }

  function close(): void {
    buffer = [];
    dispatch({ type: "stop" });
  }

  async function* batches(): AsyncGenerator<E[]> {
    if (read) throw new TypeError("a subscription is read once: make another one");
    read = true;
    if (signal?.aborted) return close();
    signal?.addEventListener("abort", close);
    dispatch({ type: "start" });
    try {
      for (;;) {
        if (buffer.length > 0) {
          const batch = buffer as E[];
          buffer = [];
          bufferChars = 0;
          yield batch;
        } else if (end !== null) {
          const { error } = end;
          if (error !== null) throw error;
          return;
        } else {
          dispatch({ type: "drained" });
          await new Promise<void>((resolve) => (wakeReader = resolve));
          wakeReader = null;
        }
      }
    } finally {
      close();
    }
  }

  async function* events(): AsyncGenerator<E> {
    for await (const batch of batches()) {
      const asOf = discards;
      for (const event of batch) {
        if (discards !== asOf) break;
        yield event;
      }
    }
  }

  /** A generator's own `return` would wait for a `next` that is still waiting for an event. */
  function leavable<T>(generator: AsyncGenerator<T>): AsyncIterableIterator<T> {
    return {
      next: () => generator.next(),
      return() {
        close();
        return generator.return(undefined);
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  return {
    batches: () => leavable(batches()),
    [Symbol.asyncIterator]: () => leavable(events()),
    resync: () => dispatch({ type: "resync" }),
    close,
  };
}
