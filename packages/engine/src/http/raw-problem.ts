import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { problemType, type ProblemAnswer } from "./problem.ts";

/** Answers with a problem where the framework has no part in it, and closes the connection. */
export function endWithProblem(socket: Duplex, problem: ProblemAnswer, requestId: string): void {
  if (!socket.writable) return;
  const body = JSON.stringify(problem.body);
  const headers = {
    ...problem.headers,
    "content-type": problemType,
    "content-length": String(Buffer.byteLength(body)),
    "cache-control": "no-store",
    "x-request-id": requestId,
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const reason = STATUS_CODES[problem.status] ?? "Error";
  socket.end(`HTTP/1.1 ${problem.status} ${reason}\r\n${lines.join("")}\r\n${body}`);
}
