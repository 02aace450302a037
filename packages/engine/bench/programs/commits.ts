import { randomUUID } from "node:crypto";
import pg from "pg";
import { answer, settingsOf } from "../rig/program.ts";
import { nowMs } from "../rig/time.ts";

/** What is written in a turn, and nothing else: two transactions, each of which locks a chat's row and writes to it. */

/** As a plain turn: the message, and the reply. */
const commitsPerTurn = 2;

const { databaseUrl } = settingsOf<{ databaseUrl: string }>();
const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });
await pool.query(`create table bench_chats (id uuid primary key, version int not null);
  create table bench_rows (chat uuid, body text)`);

async function commit(chat: string): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    const bump = "update bench_chats set version = version + 1 where id = $1";
    await client.query({ name: "bump", text: bump, values: [chat] });
    const insert = "insert into bench_rows values ($1, $2)";
    await client.query({ name: "insert", text: insert, values: [chat, "x".repeat(200)] });
    await client.query("commit");
  } finally {
    client.release();
  }
}

answer({
  async run({ ms, lanes }: { ms: number; lanes: number }) {
    const end = nowMs() + ms;
    let turns = 0;
    const lane = async (): Promise<void> => {
      const chat = randomUUID();
      await pool.query("insert into bench_chats values ($1, 0)", [chat]);
      /* oxlint-disable no-await-in-loop */
      while (nowMs() < end) {
        for (let i = 0; i < commitsPerTurn; i++) await commit(chat);
        turns += 1;
      }
      /* oxlint-enable no-await-in-loop */
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    return turns;
  },
});
