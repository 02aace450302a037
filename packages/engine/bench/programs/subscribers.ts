import { WebSocket } from "ws";
import { quantiles, type Quantiles } from "../rig/figures.ts";
import { stampMark } from "../rig/pace.ts";
import { answer } from "../rig/program.ts";
import { nowMs } from "../rig/time.ts";

/** Clients of any contender: they read the moment at which each part was made, and when it came. */

export interface Target {
  readonly url: string;
  readonly token?: string;
  readonly count?: number;
}

export interface Received extends Quantiles {
  readonly bytes: number;
}

const sockets: WebSocket[] = [];
let latencies: number[] = [];
let bytes = 0;

function read(frame: Buffer): void {
  const now = nowMs();
  bytes += frame.length;
  for (let at = frame.indexOf(stampMark); at >= 0; at = frame.indexOf(stampMark, at + 1)) {
    const from = at + stampMark.length;
    latencies.push(now - Number(frame.toString("latin1", from, frame.indexOf(";", from))));
  }
}

async function open({ url, token }: Target): Promise<void> {
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    skipUTF8Validation: true,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  sockets.push(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  socket.on("error", () => {});
  socket.on("message", read);
}

answer({
  async connect(targets: readonly Target[]) {
    const all = targets.flatMap((target) =>
      Array.from({ length: target.count ?? 1 }, () => target),
    );
    /* oxlint-disable no-await-in-loop */
    for (let i = 0; i < all.length; i += 50) await Promise.all(all.slice(i, i + 50).map(open));
    /* oxlint-enable no-await-in-loop */
  },
  begin() {
    latencies = [];
    bytes = 0;
  },
  end(): Received {
    return { ...quantiles(latencies), bytes };
  },
  /** How many parts have come since `begin`. */
  count: () => latencies.length,
  close() {
    for (const socket of sockets.splice(0)) socket.terminate();
  },
});
