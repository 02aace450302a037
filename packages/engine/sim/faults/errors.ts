import type { ServerError } from "../database/wire.ts";

/** Errors that a healthy server gives now and then, and that go away. */
export const passingErrors: readonly ServerError[] = [
  { severity: "ERROR", sqlState: "40001", message: "could not serialize access" },
  { severity: "ERROR", sqlState: "40P01", message: "deadlock detected" },
  { severity: "ERROR", sqlState: "57014", message: "canceling statement due to statement timeout" },
  { severity: "ERROR", sqlState: "55P03", message: "canceling statement due to lock timeout" },
  {
    severity: "ERROR",
    sqlState: "53100",
    message: "could not extend file: No space left on device",
  },
  { severity: "FATAL", sqlState: "57P01", message: "terminating connection due to administrator" },
  { severity: "ERROR", sqlState: "53200", message: "out of memory" },
  { severity: "FATAL", sqlState: "57P02", message: "terminating connection because of a crash" },
  { severity: "FATAL", sqlState: "25P03", message: "terminating idle-in-transaction session" },
];

export const tooManyConnections: ServerError = {
  severity: "FATAL",
  sqlState: "53300",
  message: "sorry, too many clients already",
};
