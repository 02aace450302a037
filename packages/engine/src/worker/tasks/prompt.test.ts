import type { FilePart } from "@parley/protocol";
import { expect, test } from "vitest";
import { messageIn, rowIn } from "../../../test/rows.ts";
import type { MessageRow } from "../../domain/rows.ts";
import { nextStep } from "../../domain/next-step.ts";
import { Histories } from "../histories.ts";
import { isCompactionDue } from "../compaction/due.ts";
import { estimatedUsage, promptTokensMax } from "../spending/estimate.ts";
import { askedOf } from "../structured/asked.ts";
import { promptOf } from "./prompt.ts";
import { calledModel } from "./routing.ts";
import { emptyTranscript, extended, stepsOf, type Transcript } from "./transcript.ts";

const chatId = "00000000-0000-7000-8000-000000000001";

/** A user's message, or its answer, in turns. Tells `visit` whenever something in it is looked at. */
function message(id: number, visit: (id: number) => void = () => {}): MessageRow {
  const row = messageIn({
    id,
    role: id % 2 === 1 ? "user" : "assistant",
    parts: [{ type: "text", text: `Message ${id}.` }],
    ...(id % 2 === 0 && {
      model: "test/model",
      finish_reason: "stop",
      usage: { input_tokens: id, output_tokens: 1 },
    }),
  });
  return new Proxy(row, {
    get(target, name, receiver) {
      visit(id);
      return Reflect.get(target, name, receiver) as unknown;
    },
  });
}

/** All that a plain turn asks of its history, from the message that begins it to the history that it leaves. */
function turn(histories: Histories, before: Transcript, visit: (id: number) => void): Transcript {
  const first = before.context.length + 1;
  const known = histories.at(chatId, before.history_version) ?? emptyTranscript;
  const asked = extended(known, before.history_version + 1, [message(first, visit)], []);
  const { context } = asked;
  nextStep({ messages: context, calls: [], steering: false, compaction: false });
  isCompactionDue(context, 1_000_000, 80);
  stepsOf(asked);
  calledModel(rowIn(), asked);
  promptOf(context);
  askedOf(context, first);
  const left = extended(asked, asked.history_version + 1, [message(first + 1, visit)], []);
  histories.remember(chatId, left);
  return left;
}

function visitsWith(length: number): number {
  const visits: number[] = [];
  const visit = (id: number): void => void visits.push(id);
  const histories = new Histories();
  const fresh = Array.from({ length }, (_, at) => message(at + 1, visit));
  let transcript = extended(emptyTranscript, 1, fresh, []);
  histories.remember(chatId, transcript);
  // The first turn here makes what the others go on with.
  transcript = turn(histories, transcript, visit);
  visits.length = 0;
  transcript = turn(histories, transcript, visit);
  expect(promptOf(transcript.context).messages).toHaveLength(length + 4);
  return visits.length;
}

test("a turn looks at as many messages of a long history as of a short one", () => {
  expect(visitsWith(1_000)).toBe(visitsWith(10));
});

test("where no provider counts tokens, what was said is counted once, and not with every call", () => {
  const read: number[] = [];
  const uncounted = (id: number): MessageRow =>
    new Proxy(
      { ...message(id), usage: null },
      {
        get(target, name, receiver) {
          if (name === "parts") read.push(id);
          return Reflect.get(target, name, receiver) as unknown;
        },
      },
    );
  const preamble = { systemPrompt: null, tools: [] };
  const judge = (context: readonly MessageRow[]): number => {
    isCompactionDue(context, 1_000_000, 80);
    estimatedUsage(context, preamble, []);
    return promptTokensMax(context, preamble);
  };
  const context = Array.from({ length: 100 }, (_, at) => uncounted(at + 1));
  const before = judge(context);
  expect(new Set(read).size).toBe(100);
  read.length = 0;
  const more = [...context, uncounted(101)];
  expect(judge(more)).toBeGreaterThan(before);
  expect(new Set(read)).toEqual(new Set([101]));
});

test("where nothing was said, the list of what was said before is the same and no copy", () => {
  const rows = Array.from({ length: 3 }, (_, at) => message(at + 1));
  const said = extended(emptyTranscript, 1, rows, []);
  expect(extended(said, 2, [], []).context).toBe(said.context);
});

test("a prompt is put together when it is asked for, and not for every context before it", () => {
  const visits: number[] = [];
  const visit = (id: number): void => void visits.push(id);
  const first = extended(emptyTranscript, 1, [message(1)], []);
  promptOf(first.context);
  const middle = extended(first, 2, [message(2, visit)], []);
  const last = extended(middle, 3, [message(3, visit)], []);
  visits.length = 0;
  const prompt = promptOf(last.context);
  expect(new Set(visits)).toEqual(new Set([2, 3]));
  visits.length = 0;
  expect(promptOf(last.context)).toBe(prompt);
  expect(visits).toEqual([]);
});

test.each([1, 2, 5])(
  "what is carried over is what would be made anew, files and boundaries included, asked for every %i messages",
  (every) => {
    const file = (file_id: string): FilePart => ({
      type: "file",
      media_type: "text/plain",
      file_id,
      data: "",
    });
    const rows = Array.from({ length: 12 }, (_, at) =>
      messageIn({
        id: at + 1,
        role: at % 2 === 0 ? "user" : "assistant",
        model: "test/model",
        parts: at % 3 === 0 ? [file(`f${at}`)] : [{ type: "text", text: `${at}` }],
        visibility: at === 5 ? "user" : "both",
        is_boundary: at === 7,
      }),
    );
    let transcript = emptyTranscript;
    for (const [at, row] of rows.entries()) {
      if (at % every === 0) promptOf(transcript.context);
      transcript = extended(transcript, at + 1, [row], []);
      const seen = rows
        .slice(at < 7 ? 0 : 7, at + 1)
        .filter(({ visibility }) => visibility !== "user");
      expect(transcript.context).toEqual(seen);
      if (at % every === 0) expect(promptOf(transcript.context)).toEqual(promptOf([...seen]));
    }
    expect(promptOf(transcript.context)).toEqual(promptOf([...transcript.context]));
  },
);
