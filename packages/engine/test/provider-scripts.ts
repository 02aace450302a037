import type { Protocol, Script, Step } from "./provider-server.ts";

/** A promise that a test opens: scripts wait for it instead of sleeping. */
export interface Gate {
  promise: Promise<void>;
  open: () => void;
}

export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { promise, open: resolve };
}

export interface ScriptedReply {
  reasoning?: readonly string[];
  text?: readonly string[];
  calls?: readonly { id: string; name: string; input: readonly string[] }[];
  /** Waited for before the piece of text with this index. */
  gates?: Readonly<Record<number, Promise<unknown>>>;
  finish?: "stop" | "length";
}

/** A whole reply in the provider's own events. */
export function replyScript(protocol: Protocol, reply: ScriptedReply): Script {
  switch (protocol) {
    case "openai-chat":
      return openaiChat(reply);
    case "openai-responses":
      return openaiResponses(reply);
    case "anthropic":
      return anthropic(reply);
    case "google":
      return google(reply);
  }
}

export function textScript(
  protocol: Protocol,
  text: readonly string[],
  gates: ScriptedReply["gates"] = {},
): Script {
  return replyScript(protocol, { text, gates });
}

/** The lines of a recording: one JSON event each. */
export function recordingScript(protocol: Protocol, jsonl: string): Script {
  const steps: Step[] = jsonl
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      if (protocol === "openai-chat" || protocol === "google") return { data: line };
      return { event: (JSON.parse(line) as { type: string }).type, data: line };
    });
  return protocol === "openai-chat" ? [...steps, { data: "[DONE]" }] : steps;
}

function gated(gates: ScriptedReply["gates"], at: number): Step[] {
  const found = gates?.[at];
  return found === undefined ? [] : [{ gate: found }];
}

function openaiChat({
  reasoning = [],
  text = [],
  calls = [],
  gates,
  finish,
}: ScriptedReply): Step[] {
  const chunk = (delta: object, finish_reason: string | null = null): Step => ({
    data: {
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1,
      model: "scripted",
      choices: [{ index: 0, delta, finish_reason }],
    },
  });
  return [
    chunk({ role: "assistant", content: "" }),
    ...reasoning.map((reasoning_content) => chunk({ reasoning_content })),
    ...text.flatMap((content, i) => [...gated(gates, i), chunk({ content })]),
    ...calls.flatMap(({ id, name, input }, index) => [
      chunk({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] }),
      ...input.map((piece) => chunk({ tool_calls: [{ index, function: { arguments: piece } }] })),
    ]),
    chunk({}, finish ?? (calls.length > 0 ? "tool_calls" : "stop")),
    {
      data: {
        id: "chatcmpl-1",
        object: "chat.completion.chunk",
        created: 1,
        model: "scripted",
        choices: [],
        usage: { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 },
      },
    },
    { data: "[DONE]" },
  ];
}

function openaiResponses({
  reasoning = [],
  text = [],
  calls = [],
  gates,
  finish,
}: ScriptedReply): Step[] {
  const event = (type: string, fields: object): Step => ({
    event: type,
    data: { type, ...fields },
  });
  const response = {
    id: "resp_1",
    object: "response",
    created_at: 1,
    model: "scripted",
    output: [],
  };
  const steps: Step[] = [
    event("response.created", { response: { ...response, status: "in_progress" } }),
  ];
  let output_index = 0;
  if (reasoning.length > 0) {
    const at = { item_id: "rs_1", output_index, summary_index: 0 };
    const item = { id: "rs_1", type: "reasoning", summary: [] };
    steps.push(
      event("response.output_item.added", {
        output_index,
        item: { ...item, encrypted_content: "e0" },
      }),
      event("response.reasoning_summary_part.added", {
        ...at,
        part: { type: "summary_text", text: "" },
      }),
      ...reasoning.map((delta) => event("response.reasoning_summary_text.delta", { ...at, delta })),
      event("response.reasoning_summary_part.done", {
        ...at,
        part: { type: "summary_text", text: "" },
      }),
      event("response.output_item.done", {
        output_index,
        item: { ...item, encrypted_content: "e1" },
      }),
    );
    output_index += 1;
  }
  if (text.length > 0) {
    const item = { id: "msg_1", type: "message", role: "assistant", content: [] };
    const at = { item_id: "msg_1", output_index, content_index: 0 };
    steps.push(
      event("response.output_item.added", {
        output_index,
        item: { ...item, status: "in_progress" },
      }),
      ...text.flatMap((delta, i) => [
        ...gated(gates, i),
        event("response.output_text.delta", { ...at, delta, logprobs: [] }),
      ]),
      event("response.output_item.done", { output_index, item: { ...item, status: "completed" } }),
    );
    output_index += 1;
  }
  for (const { id, name, input } of calls) {
    const item = { id: `fc_${id}`, type: "function_call", call_id: id, name };
    const at = { item_id: item.id, output_index };
    steps.push(
      event("response.output_item.added", {
        output_index,
        item: { ...item, arguments: "", status: "in_progress" },
      }),
      ...input.map((delta) => event("response.function_call_arguments.delta", { ...at, delta })),
      event("response.output_item.done", {
        output_index,
        item: { ...item, arguments: input.join(""), status: "completed" },
      }),
    );
    output_index += 1;
  }
  const usage = { input_tokens: 7, output_tokens: 5, total_tokens: 12 };
  const type = finish === "length" ? "response.incomplete" : "response.completed";
  const details =
    finish === "length" ? { incomplete_details: { reason: "max_output_tokens" } } : {};
  steps.push(event(type, { response: { ...response, ...details, status: "completed", usage } }));
  return steps;
}

function anthropic({
  reasoning = [],
  text = [],
  calls = [],
  gates,
  finish,
}: ScriptedReply): Step[] {
  const event = (type: string, fields: object): Step => ({
    event: type,
    data: { type, ...fields },
  });
  const usage = { input_tokens: 7, output_tokens: 1 };
  const message = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "scripted",
    content: [],
    usage,
  };
  const steps: Step[] = [event("message_start", { message })];
  let index = 0;
  const block = (content_block: object, deltas: readonly Step[]): void => {
    steps.push(
      event("content_block_start", { index, content_block }),
      ...deltas,
      event("content_block_stop", { index }),
    );
    index += 1;
  };
  const delta = (fields: object): Step => event("content_block_delta", { index, delta: fields });
  if (reasoning.length > 0) {
    block({ type: "thinking", thinking: "" }, [
      ...reasoning.map((thinking) => delta({ type: "thinking_delta", thinking })),
      delta({ type: "signature_delta", signature: "c2ln" }),
    ]);
  }
  if (text.length > 0) {
    block(
      { type: "text", text: "" },
      text.flatMap((piece, i) => [...gated(gates, i), delta({ type: "text_delta", text: piece })]),
    );
  }
  for (const { id, name, input } of calls) {
    block(
      { type: "tool_use", id, name, input: {} },
      input.map((partial_json) => delta({ type: "input_json_delta", partial_json })),
    );
  }
  const stop_reason =
    finish === "length" ? "max_tokens" : calls.length > 0 ? "tool_use" : "end_turn";
  steps.push(
    event("message_delta", {
      delta: { stop_reason, stop_sequence: null },
      usage: { output_tokens: 5 },
    }),
    event("message_stop", {}),
  );
  return steps;
}

function google({ reasoning = [], text = [], calls = [], gates, finish }: ScriptedReply): Step[] {
  const chunk = (parts: object[], more: object = {}): Step => ({
    data: {
      candidates: [{ content: { parts, role: "model" }, index: 0, ...more }],
      usageMetadata: { promptTokenCount: 7, candidatesTokenCount: 5, totalTokenCount: 12 },
      responseId: "r1",
    },
  });
  return [
    ...reasoning.map((thought) => chunk([{ text: thought, thought: true }])),
    ...text.flatMap((piece, i) => [...gated(gates, i), chunk([{ text: piece }])]),
    ...calls.map(({ name, input }) =>
      chunk([{ functionCall: { name, args: JSON.parse(input.join("") || "{}") as unknown } }]),
    ),
    chunk([{ text: "" }], { finishReason: finish === "length" ? "MAX_TOKENS" : "STOP" }),
  ];
}
