import type { LivePart } from "@parley/protocol";

/** A live part as JSON. Deltas of text are nearly all there is, and written in a third of the general way's time. */
export function livePartJson(part: LivePart): string {
  if ((part.type === "text" || part.type === "reasoning") && "delta" in part) {
    return `{"type":"${part.type}","index":${part.index},"delta":${JSON.stringify(part.delta)}}`;
  }
  return JSON.stringify(part);
}

/** Whether the JSON of a live part is certainly plain ASCII: of deltas of text, that of others is not looked at. */
export function isPlainPart(part: LivePart): boolean {
  return (
    (part.type === "text" || part.type === "reasoning") &&
    "delta" in part &&
    Buffer.byteLength(part.delta) === part.delta.length
  );
}
