import { connect, type Socket } from "node:net";
import { systemClock } from "../../src/lib/clock.ts";

/** A server that neither answers nor closes within this time hangs. */
const answerMsMax = 20_000;

export interface RawAnswer {
  bytes: Buffer;
  /** The server closed or broke the connection; false: it keeps it. */
  closed: boolean;
}

/**
 * Writes the pieces one after the other and collects what comes back, until `enough` or the end of the connection.
 * @throws where neither comes in time
 */
export async function exchange(
  port: number,
  pieces: readonly Uint8Array[],
  options: {
    enough?: (bytes: Buffer) => boolean;
    /** Written once this has been answered. */
    after?: { seen: string; pieces: readonly Uint8Array[] };
    /** Our side stays open: all has been said, and the answer is waited for. */
    stays?: boolean;
  } = {},
): Promise<RawAnswer> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const chunks: Buffer[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const first = Promise.withResolvers<void>();
  const answer = (closed: boolean): void => {
    first.resolve();
    resolve({ bytes: Buffer.concat(chunks), closed });
  };
  const timer = systemClock.timer(answerMsMax, "test.exchange", () => {
    first.resolve();
    reject(new Error(`no answer to ${Buffer.concat(pieces).toString("latin1").slice(0, 2_000)}`));
  });
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    if (Buffer.concat(chunks).includes(options.after?.seen ?? "")) first.resolve();
    if (options.enough?.(Buffer.concat(chunks)) === true) answer(false);
  });
  socket.on("end", () => answer(true));
  socket.on("error", () => answer(true));
  socket.on("close", () => answer(true));
  try {
    await written(socket, pieces);
    if (options.after !== undefined) {
      await first.promise;
      await written(socket, options.after.pieces);
    }
    if (options.stays !== true) socket.end();
    return await promise;
  } finally {
    timer.cancel();
    socket.destroy();
  }
}

async function written(socket: Socket, pieces: readonly Uint8Array[]): Promise<void> {
  for (const piece of pieces) {
    // The server may have left already: that is an answer, too.
    // oxlint-disable-next-line no-await-in-loop
    await new Promise<void>((resolve) => {
      if (socket.destroyed || piece.length === 0) return resolve();
      socket.once("close", () => resolve());
      socket.write(piece, () => resolve());
    });
  }
}
