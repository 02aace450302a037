import { mkdtemp, rm } from "node:fs/promises";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface DatabaseProxy {
  /** The same database, by way of the proxy. */
  settings: { host: string; port: number; user: string; database: string };
  /** Breaks every connection; new ones are refused until `restore`. */
  goAway(): void;
  /** Passes nothing on, in either direction, and says nothing: a network that has gone silent. */
  goSilent(): void;
  /** Passes everything on again, to those that are left and to new ones. */
  restore(): void;
  /** Passes on every answer only after this long; 0: at once. */
  slowDown(answerMs: number): void;
  /** Lets the next COMMIT of what may write through, and breaks its connection instead of passing on the answer. */
  loseNextCommitAnswer(): void;
  /**
   * Counts what is sent to the database from now on, and goes away at the n-th: before it is passed on, or instead of
   * passing on its answer. So the client sees nothing more, and the database sees what it sees of a killed process.
   */
  goAwayAt(n: number, moment: "before" | "after", onGone: () => void): void;
  close(): Promise<void>;
}

/** A wire between a client and the test server on which a test can cause the faults of real networks. */
export async function createDatabaseProxy(target: {
  host: string;
  port: number;
  user: string;
  database: string;
}): Promise<DatabaseProxy> {
  const folder = await mkdtemp(join(tmpdir(), "parley-proxy-"));
  const socketName = `.s.PGSQL.${target.port}`;
  const links = new Set<Link>();
  const state: State = { mode: "pass", loseCommit: false, answerMs: 0, end: null };
  const server = createServer((client) => {
    if (state.mode === "away") {
      client.destroy();
      return;
    }
    const link = new Link(client, join(target.host, socketName), state, goAway);
    links.add(link);
    link.onClose(() => links.delete(link));
  });
  await new Promise<void>((resolve) => void server.listen(join(folder, socketName), resolve));
  const cutAll = (): void => {
    for (const link of links) link.cut();
  };
  const goAway = (): void => {
    state.mode = "away";
    cutAll();
  };
  return {
    settings: { ...target, host: folder },
    goAway,
    goAwayAt(n, moment, onGone) {
      state.end = { left: n, moment, onGone };
    },
    goSilent() {
      state.mode = "silent";
      for (const link of links) link.pause();
    },
    restore() {
      state.mode = "pass";
      for (const link of links) link.resume();
    },
    slowDown(answerMs) {
      state.answerMs = answerMs;
    },
    loseNextCommitAnswer() {
      state.loseCommit = true;
    },
    async close() {
      cutAll();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface State {
  mode: "pass" | "away" | "silent";
  loseCommit: boolean;
  answerMs: number;
  end: { left: number; readonly moment: "before" | "after"; readonly onGone: () => void } | null;
}

class Link {
  readonly #client: Socket;
  readonly #server: Socket;

  constructor(client: Socket, serverPath: string, state: State, goAway: () => void) {
    this.#client = client;
    this.#server = createConnection(serverPath);
    let cutAtAnswer = false;
    let writes = false;
    let goesAtAnswer = false;
    const go = (): void => {
      state.end?.onGone();
      state.end = null;
      goAway();
    };
    client.on("data", (chunk) => {
      if (state.end !== null && --state.end.left === 0) {
        if (state.end.moment === "before") return go();
        goesAtAnswer = true;
      }
      // Statements are prepared once, and then named.
      const begins = chunk.lastIndexOf("transaction.begin_");
      if (begins >= 0) writes = chunk.indexOf("transaction.begin_write\0", begins) === begins;
      if (state.loseCommit && writes && chunk.includes("transaction.commit\0")) {
        state.loseCommit = false;
        cutAtAnswer = true;
      }
      this.#server.write(chunk);
    });
    // Timers of one length fire in the order in which they were set; a change of it waits for what is under way.
    let late = 0;
    this.#server.on("data", (chunk) => {
      if (goesAtAnswer) return go();
      if (cutAtAnswer) return this.cut();
      if (state.answerMs === 0 && late === 0) return void client.write(chunk);
      late += 1;
      setTimeout(() => {
        late -= 1;
        client.write(chunk);
      }, state.answerMs);
    });
    for (const socket of [client, this.#server]) {
      socket.on("error", () => this.cut());
      socket.on("close", () => this.cut());
    }
    if (state.mode === "silent") this.pause();
  }

  onClose(fn: () => void): void {
    this.#client.on("close", fn);
  }

  cut(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  pause(): void {
    this.#client.pause();
    this.#server.pause();
  }

  resume(): void {
    this.#client.resume();
    this.#server.resume();
  }
}
