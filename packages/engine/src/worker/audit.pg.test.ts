import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Cluster } from "../../test/replica.ts";
import { hangs, says } from "../../test/scripted-models.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.create();
});
afterEach(async () => await cluster.reset());
afterAll(async () => await cluster.drop());

/** Passes of the audit come only when the test asks for them. */
const worker = { auditMs: 1_000_000_000 };

describe("the audit", () => {
  test("gives up a chat that names a runner that does not exist, and it is driven again (C17)", async () => {
    const replica = await cluster.replica({ worker });
    const id = await replica.create("hello", { model: "none/yet" }, false);
    await cluster.sql(
      `update parley.chats set model = 'test/model', worker_id = '${replica.worker.id}', runner_id = '${randomUUID()}'
       where id = '${id}'`,
    );
    await replica.worker.audit();
    expect((await cluster.chat(id)).worker_id).toBe(replica.worker.id);
    await replica.worker.audit();
    expect((await cluster.untilIdle(id)).status).toBe("waiting");
    expect(await cluster.history(id)).toHaveLength(2);
  });

  test("ends a runner whose chat names another", async () => {
    const replica = await cluster.replica({ worker });
    replica.models.enqueue(hangs());
    const id = await replica.create();
    const request = await replica.models.request(1);
    await cluster.sql(
      `update parley.chats set worker_id = '${randomUUID()}', runner_id = '${randomUUID()}' where id = '${id}'`,
    );
    await replica.worker.audit();
    expect(request.signal.aborted).toBe(false);
    await replica.worker.audit();
    expect(request.signal.aborted).toBe(true);
    expect(replica.worker.stats().runners).toBe(0);
  });

  test("brings a runner the event that it missed", async () => {
    const replica = await cluster.replica({ worker });
    replica.models.enqueue(hangs("so far"));
    const id = await replica.create();
    await replica.models.request(1);
    const other = await cluster.replica({ worker });
    replica.cutOff = true;
    await other.interrupt(id);
    await replica.worker.audit();
    await replica.worker.audit();
    expect((await cluster.untilIdle(id)).status).toBe("waiting");
    expect((await cluster.history(id))[1]).toMatchObject({ finish_reason: "interrupted" });
  });

  test("leaves alone what is in order", async () => {
    const findings: string[] = [];
    const replica = await cluster.replica({
      worker,
      observer: { audited: (_chat, finding) => void findings.push(finding) },
    });
    const gate = Promise.withResolvers<void>();
    replica.models.enqueue(async (speaker) => await speaker.wait(gate.promise), says("ok"));
    const id = await replica.create();
    const request = await replica.models.request(1);
    for (let i = 0; i < 3; i++) await replica.worker.audit();
    expect(request.signal.aborted).toBe(false);
    expect(findings).toEqual([]);
    expect((await cluster.chat(id)).runner_id).not.toBeNull();
  });

  test("sweeps the rows of workers that are long dead and that no chat names", async () => {
    const replica = await cluster.replica({ worker });
    await cluster.sql(
      `insert into parley.workers (id, version, capacity, heartbeat_at)
       values ('${randomUUID()}', 'old', 1, parley.now() - interval '2 minutes')`,
    );
    await replica.worker.audit();
    expect(await cluster.rows(`select id from parley.workers`)).toEqual([
      { id: replica.worker.id },
    ]);
  });
});
