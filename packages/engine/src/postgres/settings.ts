import type { Duplex } from "node:stream";
import { types, type ClientConfig } from "pg";
import { ParleyError } from "../lib/errors.ts";

/** Where the database is: a URL, or the parts. `host` may be the folder of a Unix socket. */
export type ConnectionSettings =
  | { connectionString: string }
  | {
      host: string;
      port: number;
      user: string;
      database: string;
      password?: string;
      /** Makes what a connection goes over, instead of a socket: for the simulator. */
      stream?: () => Duplex;
    };

/** Time that a connection attempt may take. */
export const connectWaitMs = 5_000;

/** Without traffic for this long the kernel asks the other side whether it is still there. */
const keepAliveDelayMs = 10_000;

const oid = { int8: 20, date: 1082, int8Array: 1016, textArray: 1009 };

/** Beyond 2^53 a number would silently be another one. No id of ours gets there; an error says if one does. */
export function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new ParleyError("int8_out_of_range", `bigint ${text} does not fit a JavaScript number`);
  }
  return value;
}

type Parser = (text: string) => unknown;

const typeParsers: ClientConfig["types"] = {
  getTypeParser(id: number, format?: "text" | "binary") {
    if (format !== "binary") {
      if (id === oid.int8) return parseInt8;
      if (id === oid.date) return (text: string) => text;
      if (id === oid.int8Array) {
        const parseArray = types.getTypeParser(oid.textArray) as Parser;
        return (text: string) =>
          (parseArray(text) as (string | null)[]).map((item) =>
            item === null ? null : parseInt8(item),
          );
      }
    }
    return types.getTypeParser(id, format) as Parser;
  },
};

/** What every connection of ours has in common, pooled or not. */
export function clientConfig(settings: ConnectionSettings, answerWaitMs: number): ClientConfig {
  return {
    ...settings,
    application_name: "parley",
    connectionTimeoutMillis: connectWaitMs,
    query_timeout: answerWaitMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveDelayMs,
    pipeline: true,
    types: typeParsers,
  };
}
