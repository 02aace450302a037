import type { LivePart, ToolResultPart } from "@parley/protocol";

/**
 * Results of a batch as live parts. They end in any order, but the index of a part is its place in the message to come,
 * and folding must give exactly that message: a whole result waits until all before it in call order have gone out. That
 * a call has ended is told at once, by a progress part that is not folded.
 */
export class InOrder {
  readonly #order: readonly string[];
  readonly #ended = new Map<string, ToolResultPart>();
  #sent = 0;

  constructor(toolCallIds: readonly string[]) {
    this.#order = toolCallIds;
  }

  end(result: ToolResultPart): LivePart[] {
    this.#ended.set(result.tool_call_id, result);
    const live: LivePart[] = [];
    for (;;) {
      const next = this.#ended.get(this.#order[this.#sent] ?? "");
      if (next === undefined) break;
      live.push({ ...next, index: this.#sent });
      this.#sent += 1;
    }
    const waits = this.#order.indexOf(result.tool_call_id) >= this.#sent;
    return waits ? [finishedPart(result), ...live] : live;
  }
}

function finishedPart({ tool_call_id, output, is_error }: ToolResultPart): LivePart {
  return { type: "tool-progress", tool_call_id, progress: { state: "finished", output, is_error } };
}
