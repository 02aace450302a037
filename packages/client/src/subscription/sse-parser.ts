/** One event of a `text/event-stream`, in the words of the HTML standard. */
export interface ServerSentEvent {
  event: string;
  data: string;
  /** The last id seen, this event's included. */
  id: string | undefined;
}

export interface SseParser {
  /** The events that the text completes. Text that is a comment, or half an event, completes none. */
  push(text: string): ServerSentEvent[];
}

/** A server that never ends an event must not fill memory. A message is far smaller. */
const eventCharsMax = 64 * 1024 * 1024;

/** @throws RangeError (from `push`) when an event grows past 64 Mi characters */
export function createSseParser(): SseParser {
  let rest = "";
  let event = "";
  let data: string[] = [];
  let id: string | undefined;
  let chars = 0;
  let afterCarriageReturn = false;

  function line(text: string, done: ServerSentEvent[]): void {
    if (text === "") {
      if (data.length > 0) done.push({ event: event || "message", data: data.join("\n"), id });
      event = "";
      data = [];
      chars = 0;
      return;
    }
    const colon = text.indexOf(":");
    if (colon === 0) return;
    const field = colon === -1 ? text : text.slice(0, colon);
    const value = colon === -1 ? "" : text.slice(text[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") event = value;
    else if (field === "id" && !value.includes("\0")) id = value;
    else if (field === "data") {
      data.push(value);
      chars += value.length;
    }
  }

  return {
    push(text) {
      const done: ServerSentEvent[] = [];
      // A line end of two characters may arrive in two pieces.
      const fresh = afterCarriageReturn && text.startsWith("\n") ? text.slice(1) : text;
      if (text !== "") afterCarriageReturn = text.endsWith("\r");
      const [first = "", ...others] = fresh.split(/\r\n|\n|\r/);
      rest += first;
      for (const next of others) {
        line(rest, done);
        rest = next;
      }
      if (rest.length + chars > eventCharsMax) throw new RangeError("an event does not end");
      return done;
    },
  };
}
