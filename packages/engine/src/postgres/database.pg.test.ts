import { ManualClock } from "../lib/manual-clock.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDatabaseProxy, type DatabaseProxy } from "../../test/database-proxy.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { createDatabase, type Database, type DatabaseOptions } from "./database.ts";
import {
  CommitRefused,
  CommitUnknown,
  DatabaseUnavailable,
  isTransient,
  isUniqueViolation,
  sqlState,
  StatementFailed,
} from "./errors.ts";
import type { ReadTx, Sql, Statement, WriteTx } from "./sql.ts";

let db: TestDatabase;
let database: Database;

beforeAll(async () => {
  db = await createTestDatabase({ empty: true });
  database = db.database;
  await database.write((tx) =>
    tx.exec(
      "create table t (id int primary key, n int not null); insert into t values (1, 0), (2, 0)",
    ),
  );
});
afterAll(() => db.drop());

const valueOf = (id: number): Statement => ({
  name: "value",
  text: "select n from t where id = $1",
  values: [id],
});
const add = (id: number, n: number): Statement => ({
  name: "add",
  text: "update t set n = n + $2 where id = $1",
  values: [id, n],
});
const backend: Statement = { name: "backend", text: "select pg_backend_pid() as pid" };

/** Ends the session behind `pid` from another one, and returns when it is gone. */
async function terminate(pid: number): Promise<void> {
  await database.one({
    name: "terminate",
    text: "select pg_terminate_backend($1, 5000)",
    values: [pid],
  });
}

async function backendPid(sql: Sql): Promise<number> {
  const [row] = await sql.query<{ pid: number }>(backend);
  return row?.pid ?? 0;
}

async function read(id: number): Promise<number> {
  const [row] = await database.one<{ n: number }>(valueOf(id));
  return row?.n ?? Number.NaN;
}

/** A handle of its own, closed after the test's body. */
async function withHandle<T>(
  options: DatabaseOptions,
  body: (handle: Database) => Promise<T>,
): Promise<T> {
  const handle = createDatabase(options);
  try {
    return await body(handle);
  } finally {
    await handle.close();
  }
}

async function withProxy(
  body: (proxy: DatabaseProxy, handle: Database) => Promise<void>,
  options: Partial<DatabaseOptions> = {},
): Promise<void> {
  const proxy = await createDatabaseProxy(db.settings);
  try {
    await withHandle({ ...options, ...proxy.settings }, (handle) => body(proxy, handle));
  } finally {
    await proxy.close();
  }
}

describe("values", () => {
  test("come as numbers, dates, strings and objects", async () => {
    const [row] = await database.one({
      name: "types",
      text: `select 9007199254740991::int8 as big, array[1, null, 3]::int8[] as bigs, 1.50::numeric as exact,
        '2026-01-02T03:04:05.678Z'::timestamptz as at, '{"a":[1]}'::jsonb as json, '2026-01-02'::date as day,
        '00000000-0000-7000-8000-000000000000'::uuid as id, '\\x00ff'::bytea as bytes`,
    });
    expect(row).toEqual({
      big: 9007199254740991,
      bigs: [1, null, 3],
      exact: "1.50",
      at: new Date("2026-01-02T03:04:05.678Z"),
      json: { a: [1] },
      day: "2026-01-02",
      id: "00000000-0000-7000-8000-000000000000",
      bytes: Buffer.from([0, 255]),
    });
  });

  test("a bigint that a number cannot hold is an error, and the connection goes on", async () => {
    await withHandle({ ...db.settings, poolSize: 1 }, async (handle) => {
      const tooBig: Statement = { name: "big", text: "select 9007199254740992::int8 as n" };
      await expect(handle.one(tooBig)).rejects.toMatchObject({ code: "int8_out_of_range" });
      expect(await handle.one({ name: "small", text: "select 1::int8 as n" })).toEqual([{ n: 1 }]);
    });
  });
});

describe("transactions", () => {
  test("a read is one snapshot and cannot write", async () => {
    await database
      .read(async (tx) => {
        const before = await tx.query(valueOf(1));
        await database.write((other) => other.query(add(1, 1)));
        expect(await tx.query(valueOf(1))).toEqual(before);
        await expect(tx.query(add(1, 1))).rejects.toMatchObject({ sqlState: "25006" });
      })
      .catch((error: unknown) => expect(error).toBeInstanceOf(CommitRefused));
    await expect(database.one(add(1, 1))).rejects.toMatchObject({ sqlState: "25006" });
  });

  test("what throws inside is rolled back and thrown as it is", async () => {
    const before = await read(1);
    const mine = new Error("mine");
    await expect(
      database.write(async (tx) => {
        await tx.query(add(1, 100));
        throw mine;
      }),
    ).rejects.toBe(mine);
    expect(await read(1)).toBe(before);
  });

  test("a statement's error names statement, state and constraint", async () => {
    const failed = database.write((tx) =>
      tx.query({ name: "double", text: "insert into t values (1, 1)" }),
    );
    await expect(failed).rejects.toBeInstanceOf(StatementFailed);
    await failed.catch((error: unknown) => {
      expect(error).toMatchObject({ code: "statement_failed", constraint: "t_pkey" });
      expect(isUniqueViolation(error)).toBe(true);
      expect(isUniqueViolation(error, "t_pkey")).toBe(true);
      expect(isUniqueViolation(error, "other")).toBe(false);
      expect(isTransient(error)).toBe(false);
    });
  });

  test("of statements that are sent together, the one that failed is told, whichever is heard of first", async () => {
    const sent = database.write(async (tx) => {
      const refused = tx.query({ name: "twice", text: "insert into t values (1, 1)" });
      const after = tx.query(add(2, 1));
      refused.catch(() => {});
      await after;
    });
    await expect(sent).rejects.toSatisfy((error) => isUniqueViolation(error));
    expect(await read(2)).toBe(0);
  });

  test("an error that was swallowed inside makes the commit a typed error", async () => {
    const committed = database.write(async (tx) => {
      await tx.query(add(1, 5));
      await tx.exec("select 1/0").catch(() => {});
    });
    await expect(committed).rejects.toMatchObject({
      code: "commit_refused",
      details: { answer: "ROLLBACK" },
    });
  });

  test("a handle that outlives its transaction refuses to work", async () => {
    let leaked: WriteTx | undefined;
    await database.write(async (tx) => void (leaked = tx));
    await expect(leaked?.query(valueOf(1))).rejects.toThrow("after the end of its transaction");
    await expect(leaked?.exec("select 1")).rejects.toThrow("after the end of its transaction");
  });

  test("a plain handle cannot be passed where a transaction is required", () => {
    const mutate = (_tx: WriteTx): void => {};
    const look = (_tx: ReadTx): void => {};
    const check = (sql: Sql, readTx: ReadTx, writeTx: WriteTx): void => {
      // @ts-expect-error a plain handle is no transaction
      mutate(sql);
      // @ts-expect-error a reading transaction cannot write
      mutate(readTx);
      // @ts-expect-error a plain handle is no transaction
      look(sql);
      look(writeTx);
    };
    expect(check).toBeTypeOf("function");
  });
});

describe("retries", () => {
  test("a serialization failure runs the whole function again", async () => {
    const before = await read(1);
    const stats = database.stats.snapshot();
    let runs = 0;
    await database.write(
      async (tx) => {
        runs += 1;
        await tx.query(add(1, 1));
        if (runs < 3) await tx.exec("do $$ begin raise sqlstate '40001'; end $$");
      },
      { operation: "retried" },
    );
    expect(runs).toBe(3);
    expect(await read(1)).toBe(before + 1);
    expect(database.stats.since(stats).operations["retried"]).toMatchObject({
      retries: 2,
      rollbacks: 2,
      writes: 1,
    });
  });

  test("a real deadlock ends with both transactions done", async () => {
    const [one, two] = [await read(1), await read(2)];
    const bothHoldOne = barrier(2);
    const cross = (first: number, second: number): Promise<void> => {
      let runs = 0;
      return database.write(async (tx) => {
        await tx.exec("set local deadlock_timeout = '50ms'");
        await tx.query(add(first, 1));
        if (++runs === 1) await bothHoldOne();
        await tx.query(add(second, 1));
      });
    };
    await Promise.all([cross(1, 2), cross(2, 1)]);
    expect([await read(1), await read(2)]).toEqual([one + 2, two + 2]);
  });

  test("gives up after a bounded number of tries, with the database's error", async () => {
    let runs = 0;
    const failed = database.write(async (tx) => {
      runs += 1;
      await tx.exec("do $$ begin raise sqlstate '40P01'; end $$");
    });
    await expect(failed).rejects.toMatchObject({ sqlState: "40P01" });
    expect(runs).toBe(5);
  });
});

describe("time limits", () => {
  test("a slow statement, a lock that is held, and a transaction that nobody drives", async () => {
    const slow = database.write((tx) => tx.exec("select pg_sleep(10)"), { statementTimeoutMs: 50 });
    await expect(slow).rejects.toSatisfy((e) => sqlState(e) === "57014" && isTransient(e));
    await database.write(async (tx) => {
      await tx.query(add(1, 0));
      const waiting = database.write((other) => other.query(add(1, 0)), { lockTimeoutMs: 50 });
      await expect(waiting).rejects.toSatisfy((e) => sqlState(e) === "55P03" && isTransient(e));
    });
    const idle = database.write(async (tx) => {
      await tx.exec("set local idle_in_transaction_session_timeout = 50");
      await lostConnection();
      await tx.query(valueOf(1));
    });
    await expect(idle).rejects.toSatisfy(isTransient);
  });

  test("they hold for a single statement too", async () => {
    const slow = database.one(
      { name: "slow", text: "select pg_sleep(10)" },
      { statementTimeoutMs: 50 },
    );
    await expect(slow).rejects.toMatchObject({ sqlState: "57014" });
  });

  test("they leave the session as it was: a pooler may give it to somebody else", async () => {
    await withHandle({ ...db.settings, poolSize: 1 }, async (handle) => {
      await handle.write((tx) => tx.query(valueOf(1)), { statementTimeoutMs: 1234 });
      const [row] = await handle.write(async (tx) => {
        await tx.exec("commit");
        const rows = await tx.query({ name: "t", text: "show statement_timeout" });
        await tx.exec("begin");
        return rows;
      });
      expect(row).toEqual({ statement_timeout: "0" });
    });
  });
});

describe("lost connections", () => {
  test("one that breaks inside a transaction is a typed, transient error and is not used again", async () => {
    const before = await read(1);
    const broken = database.write(async (tx) => {
      await tx.query(add(1, 100));
      await terminate(await backendPid(tx));
      await tx.query(add(1, 100));
    });
    await expect(broken).rejects.toBeInstanceOf(DatabaseUnavailable);
    await broken.catch((error: unknown) => {
      expect(error).toMatchObject({ code: "database_unavailable", details: { reason: "lost" } });
      expect(isTransient(error)).toBe(true);
    });
    expect(await read(1)).toBe(before);
  });

  test("connections that broke while idle are replaced without anyone noticing", async () => {
    await withHandle({ ...db.settings, poolSize: 6 }, async (handle) => {
      const reconnected = new Promise<void>((resolve) => void handle.onReconnect(resolve));
      const meet = barrier(4);
      const pids = await Promise.all(
        Array.from({ length: 4 }, () =>
          handle.read(async (tx) => {
            await meet();
            return backendPid(tx);
          }),
        ),
      );
      expect(new Set(pids).size).toBe(4);
      await Promise.all(pids.map(terminate));
      // At once, before the pool can have heard of it, and from all four at the same time.
      const again = await Promise.all(pids.map(() => handle.read((tx) => backendPid(tx))));
      expect(again.filter((pid) => pids.includes(pid))).toEqual([]);
      await reconnected;
    });
  });

  test("a commit whose answer is lost is unknown: here it is in force", async () => {
    const before = await read(2);
    await withProxy(async (proxy, handle) => {
      proxy.loseNextCommitAnswer();
      let runs = 0;
      const committed = handle.write((tx) => {
        runs += 1;
        return tx.query(add(2, 1));
      });
      await expect(committed).rejects.toBeInstanceOf(CommitUnknown);
      expect(runs).toBe(1);
      expect(await handle.one(valueOf(2))).toEqual([{ n: before + 1 }]);
    });
  });

  test("a commit whose answer is lost is unknown: here it is not", async () => {
    const before = await read(2);
    // The backend is ended while it commits: a deferred trigger makes the commit wait for us.
    await database.write((tx) =>
      tx.exec(`create table d (id int);
        create function wait_for_lock() returns trigger language plpgsql as
          $$ begin perform pg_advisory_xact_lock(77); return null; end $$;
        create constraint trigger waits after insert on d deferrable initially deferred
          for each row execute function wait_for_lock()`),
    );
    const blocker = await database.connection("blocker");
    await blocker.exec("select pg_advisory_lock(77)");
    let pid = 0;
    const committed = database.write(async (tx) => {
      pid = await backendPid(tx);
      await tx.query(add(2, 1));
      await tx.exec("insert into d values (1)");
    });
    const outcome = committed.catch((error: unknown) => error);
    await waitsForAdvisoryLock(() => pid);
    await terminate(pid);
    const error = await outcome;
    expect(error).toBeInstanceOf(CommitUnknown);
    expect(error).toMatchObject({ code: "commit_unknown" });
    expect(isTransient(error)).toBe(true);
    expect(await read(2)).toBe(before);
    await blocker.close();
  });

  test("a server that goes away and comes back: errors are typed, then work goes on", async () => {
    await withProxy(async (proxy, handle) => {
      let reconnects = 0;
      handle.onReconnect(() => (reconnects += 1));
      const lost = handle.write(async (tx) => {
        await tx.query(valueOf(1));
        proxy.goAway();
        await tx.query(valueOf(1));
      });
      await expect(lost).rejects.toMatchObject({ details: { reason: "lost" } });
      await expect(handle.one(valueOf(1))).rejects.toMatchObject({ code: "database_unavailable" });
      await expect(handle.connection("beats")).rejects.toSatisfy(isTransient);
      expect(reconnects).toBe(0);
      proxy.restore();
      await Promise.all([1, 2, 3].map(() => handle.one(valueOf(1))));
      expect(reconnects).toBe(1);
    });
  });

  test("a network that has gone silent is given up on, and its connections are not used again", async () => {
    await withProxy(
      async (proxy, handle) => {
        const pid = await handle.read((tx) => backendPid(tx));
        proxy.goSilent();
        const waiting = handle.one(valueOf(1));
        await expect(waiting).rejects.toMatchObject({ details: { reason: "silent" } });
        await expect(handle.one(valueOf(1))).rejects.toMatchObject({
          details: { reason: "connect" },
        });
        proxy.restore();
        expect(await handle.read((tx) => backendPid(tx))).not.toBe(pid);
      },
      { statementTimeoutMs: 50, answerGraceMs: 50, poolWaitMs: 50 },
    );
  });

  test("a server that is not there, and one that refuses us", async () => {
    const nowhere = { ...db.settings, host: "/nonexistent" };
    await withHandle(nowhere, async (handle) => {
      await expect(handle.read((tx) => tx.query(backend))).rejects.toMatchObject({
        code: "database_unavailable",
        details: { reason: "connect" },
      });
      await expect(handle.connection("x")).rejects.toSatisfy(isTransient);
    });
    await withHandle({ ...db.settings, database: "no_such" }, async (handle) => {
      const refused = handle.read((tx) => tx.query(backend));
      await expect(refused).rejects.toMatchObject({ details: { reason: "refused" } });
      await expect(refused).rejects.toSatisfy((error) => !isTransient(error));
    });
  });
});

describe("the pool", () => {
  test("waiting for a connection is bounded", async () => {
    await withHandle({ ...db.settings, poolSize: 2, poolWaitMs: 50 }, async (handle) => {
      const { release, holders } = await hold(handle, 1);
      await expect(handle.one(valueOf(1))).rejects.toMatchObject({
        code: "database_unavailable",
        details: { reason: "pool" },
      });
      release();
      await holders;
      expect(await handle.one(valueOf(1))).toHaveLength(1);
    });
  });

  test("upkeep goes past work that holds all it may, and past all that waits", async () => {
    await withHandle({ ...db.settings, poolSize: 4 }, async (handle) => {
      const { release, holders } = await hold(handle, 2);
      const waiting = [1, 2, 3].map(async () => await handle.write((tx) => tx.query(add(1, 0))));
      expect(await handle.one(valueOf(1), { lane: "upkeep" })).toHaveLength(1);
      await handle.write((tx) => tx.query(add(1, 0)), { lane: "upkeep" });
      expect(handle.stats.pool()).toMatchObject({ size: 4, waiting: 3, upkeepWaiting: 0 });
      release();
      await Promise.all([holders, ...waiting]);
    });
  });

  test.each([1, 2, 3])("one of %i lets many of both kinds through", async (poolSize) => {
    await withHandle({ ...db.settings, poolSize }, async (handle) => {
      const before = await read(1);
      const lanes = Array.from({ length: 40 }, (_, i) =>
        i % 2 === 0 ? ("work" as const) : ("upkeep" as const),
      );
      await Promise.all(
        lanes.map(async (lane) => await handle.write((tx) => tx.query(add(1, 1)), { lane })),
      );
      expect(await read(1)).toBe(before + 40);
      expect(handle.stats.pool()).toMatchObject({ used: 0, waiting: 0 });
    });
  });

  test("every wait for a connection is told", async () => {
    await withHandle({ ...db.settings, poolSize: 1, poolWaitMs: 50 }, async (handle) => {
      const waits: [string, boolean][] = [];
      handle.stats.onWait((lane, ms) => waits.push([lane, ms >= 50]));
      const { release, holders } = await hold(handle, 1);
      await expect(handle.one(valueOf(1), { lane: "upkeep" })).rejects.toThrow("in time");
      release();
      await holders;
      expect(waits).toEqual([
        ["work", false],
        ["upkeep", true],
      ]);
    });
  });

  test("many more transactions than connections all get their turn", async () => {
    const before = await read(1);
    await Promise.all(
      Array.from({ length: 100 }, () => database.write((tx) => tx.query(add(1, 1)))),
    );
    expect(await read(1)).toBe(before + 100);
  });

  test("whoever waits for a connection when it closes still gets one", async () => {
    const handle = createDatabase({ ...db.settings, poolSize: 1 });
    const holding = Promise.withResolvers<void>();
    const free = Promise.withResolvers<void>();
    const first = handle.read(async (tx) => {
      await tx.query(valueOf(1));
      holding.resolve();
      await free.promise;
    });
    await holding.promise;
    const waiting = [1, 2].map(async (id) => await handle.one<{ n: number }>(valueOf(id)));
    expect(handle.stats.pool().waiting).toBe(2);
    const closed = handle.close();
    free.resolve();
    expect(await Promise.all(waiting)).toHaveLength(2);
    await Promise.all([first, closed]);
    expect(handle.stats.pool().used).toBe(0);
  });

  test("closing waits for a transaction that is about to be tried again", async () => {
    const clock = new ManualClock();
    const handle = createDatabase({ ...db.settings, clock });
    let tries = 0;
    const conflicting = handle.write(async (tx) => {
      tries += 1;
      if (tries === 1) {
        await tx.exec(
          "do $$ begin raise 'once more' using errcode = 'serialization_failure'; end $$",
        );
      }
      return await tx.query(valueOf(1));
    });
    await clock.waitForTimer("database.retry");
    const closed = handle.close();
    await clock.advance(1_000);
    expect(await conflicting).toHaveLength(1);
    await closed;
    expect(clock.pending()).toEqual([]);
  });

  test("after close nothing is accepted, and closing twice is fine", async () => {
    const handle = createDatabase(db.settings);
    const running = handle.read((tx) => tx.query(valueOf(1)));
    await running;
    await Promise.all([handle.close(), handle.close()]);
    await expect(handle.one(valueOf(1))).rejects.toMatchObject({ details: { reason: "closed" } });
  });
});

describe("statements that nobody waits for", () => {
  const divide = { name: "divide", text: "select 1 / 0" };

  test("are in force with the rest, and cost no round trip of their own", async () => {
    const before = [await read(1), await read(2)];
    const stats = database.stats.snapshot();
    let last: Promise<unknown> | undefined;
    await database.write(
      async (tx) => {
        await tx.query(valueOf(1));
        void tx.queryWithNext(add(1, 1));
        last = tx.queryLast(add(2, 1));
        return await Promise.resolve();
      },
      { operation: "together" },
    );
    await last;
    expect(await read(1)).toBe((before[0] ?? 0) + 1);
    expect(await read(2)).toBe((before[1] ?? 0) + 1);
    const { operations } = database.stats.since(stats);
    expect(operations["together"]).toMatchObject({ statements: 3, roundTrips: 2, writes: 1 });
  });

  test("undo everything where one of them fails, the first thing that is sent included", async () => {
    const before = await read(1);
    for (const isFirst of [true, false]) {
      const failing = database.write(async (tx) => {
        if (!isFirst) await tx.query(add(1, 1));
        tx.queryWithNext(add(1, 1)).catch(() => {});
        tx.queryLast(divide).catch(() => {});
      });
      // oxlint-disable-next-line no-await-in-loop
      await expect(failing).rejects.toMatchObject({ sqlState: "22012" });
    }
    expect(await read(1)).toBe(before);
  });

  test("do not run where the transaction does not begin", async () => {
    const before = await read(1);
    const never = database.write(
      async (tx) => {
        tx.queryLast(add(1, 1)).catch(() => {});
        return await Promise.resolve();
      },
      { statementTimeoutMs: -1 },
    );
    await expect(never).rejects.toMatchObject({ sqlState: "22023" });
    const sent = database.write(
      async (tx) => {
        tx.query(add(1, 1)).catch(() => {});
        tx.queryLast(add(1, 1)).catch(() => {});
        return await Promise.resolve();
      },
      { statementTimeoutMs: -1 },
    );
    await expect(sent).rejects.toMatchObject({ sqlState: "22023" });
    expect(await read(1)).toBe(before);
    expect(await database.one(valueOf(1))).toHaveLength(1);
  });
});

describe("the counter", () => {
  test("counts transactions, statements and round trips by operation", async () => {
    await database.one(valueOf(1)); // a connection is there
    const before = database.stats.snapshot();
    await database.write(
      async (tx) => {
        await tx.query(valueOf(1));
        await Promise.all([tx.query(add(1, 1)), tx.query(add(2, 1)), tx.query(valueOf(2))]);
      },
      { operation: "write" },
    );
    await database.read((tx) => tx.query(valueOf(1)), { operation: "read" });
    await database.one(valueOf(1), { operation: "one" });
    const { operations, total } = database.stats.since(before);
    const none = { reads: 0, writes: 0, singles: 0, rollbacks: 0, retries: 0 };
    expect(operations).toEqual({
      // BEGIN and one statement, three in one go, COMMIT
      write: { ...none, writes: 1, statements: 4, roundTrips: 3 },
      read: { ...none, reads: 1, statements: 1, roundTrips: 2 },
      one: { ...none, singles: 1, statements: 1, roundTrips: 1 },
    });
    expect(total).toMatchObject({ reads: 1, writes: 1, singles: 1, statements: 6, roundTrips: 6 });
  });
});

describe("dedicated connections", () => {
  test("keep their session, tell when they are lost, and hear notifications", async () => {
    const connection = await database.connection("beats");
    expect(await backendPid(connection)).toBe(connection.backendPid);
    const heard = new Promise((resolve) => {
      connection.onNotification((channel, payload) => resolve([channel, payload]));
    });
    await connection.exec("listen here");
    await database.write((tx) => tx.exec("notify here, 'hello'"));
    expect(await heard).toEqual(["here", "hello"]);

    const lost = new Promise((resolve) => connection.onLost(resolve));
    await terminate(connection.backendPid ?? 0);
    await lost;
    await expect(connection.query(backend)).rejects.toMatchObject({ details: { reason: "lost" } });
    await connection.close();
  });

  test("go past the pooler where a direct address is given", async () => {
    const pooled = { ...db.settings, database: "no_such_database" };
    const handle = createDatabase({ ...pooled, direct: db.settings });
    const connection = await handle.connection("beats");
    expect(await backendPid(connection)).toBe(connection.backendPid);
    await connection.close();
    await expect(handle.identity()).rejects.toMatchObject({ code: "database_unavailable" });
    await handle.close();
  });

  test("closing one is no loss", async () => {
    const connection = await database.connection("beats");
    let lost = false;
    connection.onLost(() => (lost = true));
    await connection.close();
    await connection.close();
    expect(lost).toBe(false);
  });
});

describe("identity", () => {
  test("is the server's, and a connection that finds another one tells", async () => {
    const identity = await database.identity();
    expect(identity.systemIdentifier).toMatch(/^\d{10,}$/);
    expect(identity.timeline).toBe(1);
    const { IdentityWatch } = await import("./identity.ts");
    const watch = new IdentityWatch();
    const seen: unknown[] = [];
    const off = watch.onChange((before, after) => seen.push([before.timeline, after.timeline]));
    watch.see(identity);
    watch.see({ ...identity });
    watch.see({ ...identity, timeline: 2 });
    off();
    watch.see(identity);
    expect(seen).toEqual([[1, 2]]);
  });
});

/** Holds `n` connections of the handle with work until `release` is called; then `holders` resolves. */
async function hold(
  handle: Database,
  n: number,
): Promise<{ release: () => void; holders: Promise<unknown> }> {
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const meet = barrier(n + 1);
  const holding = Array.from({ length: n }, () =>
    handle.read(async (tx) => {
      await tx.query(valueOf(1));
      await meet();
      await held;
    }),
  );
  await meet();
  return { release, holders: Promise.all(holding) };
}

/** Everyone who calls waits until `n` have called. */
function barrier(n: number): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let arrived = 0;
  return () => {
    if (++arrived >= n) resolve();
    return promise;
  };
}

/** Resolves when this test file's database has no session idle in a transaction any more. */
async function lostConnection(): Promise<void> {
  await poll(
    "select count(*)::int as n from pg_stat_activity where datname = current_database() and state = 'idle in transaction'",
    0,
  );
}

async function waitsForAdvisoryLock(pid: () => number): Promise<void> {
  await poll(
    "select count(*)::int as n from pg_locks where locktype = 'advisory' and not granted",
    1,
  );
  expect(pid()).toBeGreaterThan(0);
}

/** Asks until the answer is `n`; each question is a round trip, which is pause enough. */
async function poll(text: string, n: number): Promise<void> {
  for (;;) {
    const [row] = await database.one<{ n: number }>({ name: text.slice(0, 60), text });
    if (row?.n === n) return;
  }
}
