import { fold, type LivePart, type ResponseFormat } from "@parley/protocol";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Cluster, type Replica } from "../../test/replica.ts";
import { calls, fails, hangs, says } from "../../test/scripted-models.ts";
import { createChat } from "../machine/transitions/create-chat.ts";
import { editMessage } from "../machine/transitions/edit-message.ts";
import { requestCompaction } from "../machine/transitions/request-compaction.ts";
import { retryTurn } from "../machine/transitions/retry-turn.ts";
import { sendMessage } from "../machine/transitions/send-message.ts";
import type { ModelRequest } from "../models/model-port.ts";
import { defineTool } from "../tools/tool.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

const format: ResponseFormat = {
  type: "json_schema",
  name: "answer",
  schema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
};
const good = '{"n": 7}';
const bad = '{"n": "seven"}';
const valid = { type: "structured-output", name: "answer", outcome: "valid", value: { n: 7 } };
const invalid = {
  type: "structured-output",
  name: "answer",
  outcome: "invalid",
  value: { n: "seven" },
  errors: [{ path: "/n", message: "must be integer" }],
};

/** A new chat whose first message asks for a number. */
async function asking(replica: Replica, content = "how many?"): Promise<string> {
  const id = crypto.randomUUID();
  const chat = {
    id,
    owner_id: cluster.owner,
    parent_chat_id: null,
    root_chat_id: id,
    title: null,
    labels: {},
    model: "test/model",
    reasoning_effort: null,
    system_prompt: null,
    client_tools: [],
    status: "running",
  } as const;
  const message = {
    role: "user",
    parts: [{ type: "text", text: content }],
    response_format: format,
  } as const;
  await replica.machine.create(
    chat,
    async (bundle) => await createChat(bundle, { messages: [message] }),
    { acquire: true, operation: "api.create" },
  );
  return id;
}

/** Who said what, and what became of it. */
async function shown(id: string): Promise<string[]> {
  return (await cluster.history(id)).map(({ role, visibility, parts }) => {
    const words = parts.map((part) => {
      if (part.type === "text") return part.text.split("\n")[0];
      if (part.type === "structured-output") {
        return `(${part.outcome}${part.repairing === true ? ", repairing" : ""})`;
      }
      return part.type === "custom" ? "" : `[${part.type}]`;
    });
    const seen = visibility === "both" ? role : `${role} for the ${visibility}`;
    return `${seen}: ${words.filter((word) => word !== "").join(" ")}`;
  });
}

const told =
  "system for the model: Your last reply is not accepted as the result that was asked for:";
const promptOf = ({ messages }: ModelRequest): string => JSON.stringify(messages);

describe("a reply that was asked to be JSON of a schema", () => {
  test("is checked and says so in its last part, live as committed", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says(good));
    const live: LivePart[] = [];
    const seen = replica.parts.open.bind(replica.parts);
    replica.parts.open = (...args) => {
      const writer = seen(...args);
      const append = writer.append.bind(writer);
      writer.append = (part) => {
        live.push(part);
        append(part);
      };
      return writer;
    };
    const id = await asking(replica);
    await cluster.untilIdle(id);
    const reply = (await cluster.history(id)).at(-1);
    expect(reply?.parts).toEqual([{ type: "text", text: good }, valid]);
    expect(fold(live)).toEqual(reply?.parts);
    expect(replica.models.requests[0]?.response_format).toEqual(format);
  });

  test("and is wrong, is sent back with what is wrong, as a step of the same turn", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says(bad), says("Sorry. It is 7."), says(`Here: ${good}`));
    const id = await asking(replica);
    const row = await cluster.untilIdle(id);
    expect(row.status).toBe("waiting");
    expect(await shown(id)).toEqual([
      "user: how many?",
      `assistant: ${bad} (invalid, repairing)`,
      told,
      "assistant: Sorry. It is 7. (invalid, repairing)",
      told,
      `assistant: Here: ${good} (valid)`,
    ]);
    const [, second, third] = replica.models.requests;
    expect(second && promptOf(second)).toContain("- /n: must be integer");
    expect(third && promptOf(third)).toContain("no valid JSON");
    expect(row.turn_message_id).toBe((await cluster.history(id))[0]?.id);
  });

  test("and stays wrong, is sent back twice and no more; the turn ends with the outcome", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says(bad), says(bad), says(bad), says(good));
    const id = await asking(replica);
    expect((await cluster.untilIdle(id)).status).toBe("waiting");
    expect(replica.models.requests).toHaveLength(3);
    expect((await cluster.history(id)).at(-1)?.parts.at(-1)).toEqual(invalid);
  });

  test("may be preceded by tools", async () => {
    const count = defineTool({ name: "count", description: "", input: {}, execute: () => "7" });
    const replica = await cluster.replica({ tools: [count] });
    replica.models.enqueue(calls(["c1", "count"]), says(bad), calls(["c2", "count"]), says(good));
    const id = await asking(replica);
    await cluster.untilIdle(id);
    expect((await shown(id)).slice(1)).toEqual([
      "assistant: [tool-call]",
      "tool: [tool-result]",
      `assistant: ${bad} (invalid, repairing)`,
      told,
      "assistant: [tool-call]",
      "tool: [tool-result]",
      `assistant: ${good} (valid)`,
    ]);
  });

  test("and is cut off by the provider, is not asked for again", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says('{"n": ', "length"));
    const id = await asking(replica);
    await cluster.untilIdle(id);
    expect((await cluster.history(id)).at(-1)).toMatchObject({
      finish_reason: "length",
      parts: [
        { type: "text" },
        {
          outcome: "invalid",
          value: null,
          errors: [{ path: "", message: "the reply was cut off" }],
        },
      ],
    });
    expect(replica.models.requests).toHaveLength(1);
  });

  test("and fails on the way, is tried again by the same rules as any", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says(bad), fails("server", true, "hm"), says(good));
    const id = await asking(replica);
    await replica.passTime(cluster.untilIdle(id));
    expect((await shown(id)).at(-1)).toBe(`assistant: ${good} (valid)`);
    expect(replica.models.requests).toHaveLength(3);
  });
});

test("a turn that failed in the middle of a repair is tried again from there", async () => {
  const replica = await cluster.replica();
  replica.models.enqueue(says(bad), fails("auth", false));
  const id = await asking(replica);
  await cluster.untilState(id, "E0");
  replica.models.enqueue(says(bad), says(bad), says(good));
  await replica.machine.update(id, async (bundle) => await retryTurn(bundle), { acquire: true });
  await cluster.untilIdle(id);
  expect((await shown(id)).at(-1)).toBe(`assistant: ${bad} (invalid)`);
  expect(replica.models.requests).toHaveLength(4);
});

describe("what is asked for holds for its own turn", () => {
  test("the next turn is free again, also after a stop in the middle of a repair", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says(bad), hangs('{"n":'));
    const id = await asking(replica);
    await replica.models.request(2);
    await replica.interrupt(id);
    await cluster.untilIdle(id);
    expect((await shown(id)).at(-1)).toBe('assistant: {"n":');
    replica.models.enqueue(says("Hello."));
    await replica.send(id, "never mind");
    await cluster.untilIdle(id);
    expect((await shown(id)).at(-1)).toBe("assistant: Hello.");
    expect(replica.models.requests.at(-1)?.response_format).toBeNull();
  });

  test("a message keeps it in the queue", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(hangs("busy"));
    const id = await replica.create();
    await replica.models.request(1);
    const message = {
      parts: [{ type: "text" as const, text: "how many?" }],
      model: null,
      reasoning_effort: null,
      response_format: format,
      client_id: null,
      created_by: null,
    };
    await replica.machine.update(
      id,
      async (bundle) =>
        await sendMessage(bundle, { message, when_busy: "queue", queueMessagesMax: 9 }),
    );
    replica.models.enqueue(says(good));
    await replica.interrupt(id);
    await cluster.untilIdle(id);
    expect((await shown(id)).at(-1)).toBe(`assistant: ${good} (valid)`);
  });

  test("a message that steers does not undo it", async () => {
    const replica = await cluster.replica();
    const { promise, resolve } = Promise.withResolvers<void>();
    replica.models.enqueue(async (speaker) => {
      await speaker.wait(promise);
      speaker.text(bad);
    }, says(good));
    const id = await asking(replica);
    await replica.models.request(1);
    await replica.send(id, "in digits", "steer");
    resolve();
    await cluster.untilIdle(id);
    expect(await shown(id)).toEqual([
      "user: how many?",
      `assistant: ${bad} (invalid, repairing)`,
      told,
      "user: in digits",
      `assistant: ${good} (valid)`,
    ]);
  });

  test("an edit keeps it, unless it takes it away", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(says(good), says(good), says("seven"));
    const id = await asking(replica);
    await cluster.untilIdle(id);
    const edit = async (over: { response_format?: null }): Promise<void> => {
      const target = (await cluster.history(id))[0]?.id ?? 0;
      await replica.machine.update(
        id,
        async (bundle) => {
          const parts = [{ type: "text" as const, text: "how many, really?" }];
          await editMessage(bundle, {
            message_id: target,
            parts,
            client_id: null,
            created_by: null,
            keep_queue: false,
            ...over,
          });
        },
        { acquire: true },
      );
      await cluster.untilIdle(id);
    };
    await edit({});
    expect((await shown(id)).at(-1)).toBe(`assistant: ${good} (valid)`);
    await edit({ response_format: null });
    expect((await shown(id)).at(-1)).toBe("assistant: seven");
  });
});

test("the owner dies between two repairs: the next one goes on with the second, and no more", async () => {
  const dying = await cluster.replica();
  dying.models.enqueue(says(bad), hangs('{"n": "sev'));
  const id = await asking(dying);
  await dying.models.request(2);
  await dying.kill();
  const next = await cluster.replica();
  next.models.enqueue(says(bad), says(bad), says(good));
  await cluster.bury(next);
  await cluster.untilIdle(id);
  expect(await shown(id)).toEqual([
    "user: how many?",
    `assistant: ${bad} (invalid, repairing)`,
    told,
    `assistant: ${bad} (invalid, repairing)`,
    told,
    `assistant: ${bad} (invalid)`,
  ]);
  expect(next.models.requests).toHaveLength(2);
  const [first] = next.models.requests;
  expect(first?.response_format).toEqual(format);
  expect(first && promptOf(first)).toContain("- /n: must be integer");
});

describe("a compaction in the middle of a repair", () => {
  test("takes neither what was asked for nor what was told", async () => {
    const replica = await cluster.replica();
    const overflow = fails("context_overflow", false);
    replica.models.enqueue(says(bad), overflow, says("in short"), says(bad), says(bad), says(good));
    const id = await asking(replica);
    await cluster.untilIdle(id);
    const lines = (await shown(id)).filter((line) => !line.startsWith("tool"));
    expect(lines.at(-1)).toBe(`assistant: ${bad} (invalid)`);
    expect(lines.filter((line) => line.endsWith("repairing)"))).toHaveLength(2);
    expect(replica.models.requests).toHaveLength(5);
    expect(replica.models.requests[3]?.response_format).toEqual(format);
    // The summary is no result.
    expect(replica.models.requests[2]?.response_format ?? null).toBeNull();
  });

  test("of a later turn does not ask again for what an older one was asked for", async () => {
    const replica = await cluster.replica();
    replica.models.enqueue(hangs());
    const id = await asking(replica);
    await replica.models.request(1);
    await replica.interrupt(id);
    await cluster.untilIdle(id);
    replica.models.enqueue(says("before"), fails("auth", false), says("in short"), says("plain"));
    await replica.send(id, "anything");
    await cluster.untilIdle(id);
    await replica.send(id, "more");
    await cluster.untilState(id, "E0");
    await replica.machine.update(id, async (bundle) => await requestCompaction(bundle), {
      acquire: true,
    });
    await cluster.untilIdle(id);
    expect((await shown(id)).at(-1)).toContain("plain");
    expect(replica.models.requests.at(-1)?.response_format).toBeNull();
  });
});

test("a schema that cannot be applied is not the model's to mend", async () => {
  const replica = await cluster.replica();
  replica.models.enqueue(says('"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"'));
  const id = await replica.create();
  await cluster.untilIdle(id);
  const backtracking = { type: "json_schema", schema: { pattern: "^(a+)+$" } } as const;
  replica.models.enqueue(says('"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"'));
  const message = {
    parts: [{ type: "text" as const, text: "how many?" }],
    model: null,
    reasoning_effort: null,
    response_format: backtracking,
    client_id: null,
    created_by: null,
  };
  await replica.machine.update(
    id,
    async (bundle) =>
      await sendMessage(bundle, { message, when_busy: "queue", queueMessagesMax: 9 }),
    { acquire: true },
  );
  await cluster.untilIdle(id);
  expect((await cluster.history(id)).at(-1)?.parts.at(-1)).toMatchObject({
    outcome: "invalid",
    errors: [{ path: "", message: expect.stringContaining("the schema cannot be applied") }],
  });
  expect(replica.models.requests).toHaveLength(2);
});
