import { Client, type Submittable } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { Batch, type BatchAnswer, type BatchStatement } from "./batch.ts";
import { isStalePlan } from "./errors.ts";

let shared: TestDatabase;
let client: Client;
let descriptions = 0;

beforeAll(async () => {
  shared = await createTestDatabase({ empty: true });
  client = new Client(shared.settings);
  await client.connect();
  const { connection } = client as unknown as { connection: NodeJS.EventEmitter };
  connection.on("rowDescription", () => (descriptions += 1));
});

afterAll(async () => {
  await client.end();
  await shared.drop();
});

async function send(...statements: BatchStatement[]): Promise<readonly BatchAnswer[]> {
  return await new Promise((resolve) => {
    client.query(new Batch(statements, resolve) as unknown as Submittable);
  });
}

function rowsOf(answer: BatchAnswer | undefined): unknown {
  return answer?.ok === true ? answer.result.rows : answer?.error;
}

function pair(n: number): BatchStatement {
  return {
    name: "pair",
    text: "select $1::int4 as n, null as nothing, '{\"a\":1}'::jsonb as j",
    values: [n],
  };
}

test("columns are told once on a connection, and rows are read by them from then on", async () => {
  descriptions = 0;
  const [first] = await send(pair(1));
  const [second, third] = await send(pair(2), pair(3));
  expect([first, second, third].map(rowsOf)).toEqual([
    [{ n: 1, nothing: null, j: { a: 1 } }],
    [{ n: 2, nothing: null, j: { a: 1 } }],
    [{ n: 3, nothing: null, j: { a: 1 } }],
  ]);
  expect(descriptions).toBe(1);
});

test("a statement without columns is not asked for them again either", async () => {
  const begin = { name: "begin", text: "begin", values: [] };
  const commit = { name: "commit", text: "commit", values: [] };
  for (const answers of [await send(begin, pair(4), commit), await send(begin, pair(5), commit)]) {
    expect(answers.map((each) => each.ok && each.result.command)).toEqual([
      "BEGIN",
      "SELECT",
      "COMMIT",
    ]);
  }
});

test("what was skipped behind an error is prepared and described when it is sent again", async () => {
  const fails = { name: "fails", text: "select 1 / $1::int4 as n", values: [0] };
  const other = { name: "other", text: "select 'x' as other", values: [] };
  const answers = await send(fails, other);
  expect(answers.map(({ ok }) => ok)).toEqual([false, false]);
  expect((await send({ ...fails, values: [1] }, other)).map(rowsOf)).toEqual([
    [{ n: 1 }],
    [{ other: "x" }],
  ]);
});

test("a value that cannot be sent is told, and nothing behind it is run", async () => {
  const circle: Record<string, unknown> = {};
  circle["of"] = circle;
  const answers = await send(
    pair(6),
    { name: "json", text: "select $1::jsonb as j", values: [circle] },
    pair(7),
  );
  expect(answers.map(({ ok }) => ok)).toEqual([true, false, false]);
  expect(
    rowsOf((await send({ name: "json", text: "select $1::jsonb as j", values: [{ a: 2 }] }))[0]),
  ).toEqual([{ j: { a: 2 } }]);
});

test("a name belongs to one text", async () => {
  const [answer] = await send({ name: "pair", text: "select 2", values: [] });
  expect(String(rowsOf(answer))).toContain("another statement");
});

test("columns that a pooler has changed behind the driver's back are told as those of a stale plan", async () => {
  await client.query("create table things (id int); insert into things values (1)");
  const all = { name: "all_things", text: "select * from things", values: [] };
  await send(all);
  await client.query(
    "deallocate all_things; alter table things add other int; prepare all_things as select * from things",
  );
  const [answer] = await send(all);
  expect(answer?.ok).toBe(false);
  expect(isStalePlan(rowsOf(answer))).toBe(true);
});
