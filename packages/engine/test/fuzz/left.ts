import { expect } from "vitest";
import { eventually } from "../eventually.ts";
import type { TestHttpServer } from "../http-server.ts";

export interface Held {
  readonly sockets: number;
  readonly timers: number;
}

/** Timers that come and go with the server itself and with the connections of its database. */
const timersSlack = 16;

/** Connections that the test's own client keeps to use again. */
const socketsSlack = 4;

/** What this process holds at the moment. */
export function held(): Held {
  const names = process.getActiveResourcesInfo();
  const count = (name: string): number => names.filter((each) => each === name).length;
  return { sockets: count("TCPSocketWrap"), timers: count("Timeout") };
}

/** The server answers, and nothing is left of what was asked: no stream, feed, connection, timer, or query under way. */
export async function expectNothingLeft(
  http: TestHttpServer,
  before: Held,
  keptSockets = socketsSlack,
): Promise<void> {
  const answer = await http.call("GET", "/api/v1/chats?limit=1");
  expect(answer.status).toBe(200);
  await eventually("everything is given back", () => {
    const { sockets, timers } = held();
    return (
      http.streams.stats().subscribers === 0 &&
      http.watch.stats().subscribers === 0 &&
      http.database.stats.pool().used === 0 &&
      sockets <= before.sockets + keptSockets &&
      timers <= before.timers + timersSlack
    );
  });
}
