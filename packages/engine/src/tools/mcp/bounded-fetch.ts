import type { FetchLike } from "@modelcontextprotocol/client";

/** One answer of a server, or one event of a stream of them. */
export const answerBytesMax = 16 * 1024 * 1024;

/** For a peer that is not trusted: an answer that is too large ends with an error instead of filling the memory. */
export function boundedFetch(fetchAny: FetchLike = fetch): FetchLike {
  return async (url, init) => {
    const response = await fetchAny(url, init);
    if (response.body === null) return response;
    const isStream = response.headers.get("content-type")?.includes("text/event-stream") ?? false;
    const { status, statusText, headers } = response;
    const body = response.body.pipeThrough(bounded(isStream));
    const whole = new Response(body, { status, statusText, headers });
    // The transport compares it with what it asked for, and a Response made by hand has none.
    Object.defineProperty(whole, "url", { value: response.url });
    Object.defineProperty(whole, "redirected", { value: response.redirected });
    return whole;
  };
}

function bounded(isStream: boolean): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0;
  let lastWasBreak = false;
  return new TransformStream({
    transform(chunk, controller) {
      for (const byte of isStream ? chunk : []) {
        // An empty line ends an event.
        const isBreak = byte === 10;
        if (isBreak && lastWasBreak) bytes = 0;
        else bytes += 1;
        if (byte !== 13) lastWasBreak = isBreak;
      }
      if (!isStream) bytes += chunk.byteLength;
      if (bytes > answerBytesMax) {
        controller.error(new Error(`the answer is larger than ${answerBytesMax} bytes`));
        return;
      }
      controller.enqueue(chunk);
    },
  });
}
