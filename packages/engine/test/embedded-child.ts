import { createInterface } from "node:readline";
import { startEmbedded } from "../src/postgres/embedded.ts";

/** A process that uses the embedded server of a folder, says what it got, and leaves when it is told to. */
const [dataDir = "", binDir] = process.argv.slice(2);

try {
  const server = await startEmbedded({
    dataDir,
    durable: false,
    ...(binDir === undefined ? {} : { binDir }),
  });
  const { pid, attached, settings } = server;
  process.stdout.write(`${JSON.stringify({ pid, attached, host: settings.host })}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "stop") break;
  }
  await server.stop();
} catch (error) {
  process.stdout.write(`${JSON.stringify({ error: (error as Error).message })}\n`);
  process.exitCode = 1;
}
