import { createServer } from "node:net";
import type { Config } from "../../config.ts";
import type { CliContext } from "../context.ts";
import type { DataFolder, ServerRecord } from "../data-folder.ts";
import { finding, type Finding } from "./finding.ts";

const answerWaitMs = 3_000;

/** Whether the port can be had, and whether the servers of this data folder answer. */
export async function checkServers(
  config: Config,
  context: CliContext,
  folder: DataFolder,
): Promise<Finding[]> {
  const servers = await folder.servers();
  const answers = await Promise.all(servers.map((server) => checkServer(server, context)));
  const isOurs = servers.some(({ url }) => new URL(url).port === String(config.port));
  return [...answers, ...(isOurs ? [] : await checkPort(config))];
}

async function checkServer(server: ServerRecord, context: CliContext): Promise<Finding> {
  const subject = "Server";
  const who = `${server.url} (process ${server.process.pid}, version ${server.version})`;
  const restart = `Look at its log; if it hangs, end process ${server.process.pid} and start again.`;
  const answer = await get(`${server.url}/readyz`, context);
  if (answer === null) return finding("problem", subject, `${who} does not answer`, restart);
  if (answer === 200) return finding("ok", subject, `${who} is ready`);
  return finding("warning", subject, `${who} is not ready (HTTP ${answer})`, restart);
}

async function get(url: string, { clock }: CliContext): Promise<number | null> {
  const controller = new AbortController();
  const timer = clock.timer(answerWaitMs, "doctor.answer", () => controller.abort());
  try {
    const response = await fetch(url, { signal: controller.signal });
    await response.body?.cancel();
    return response.status;
  } catch {
    return null;
  } finally {
    timer.cancel();
  }
}

async function checkPort({ host, port }: Config): Promise<Finding[]> {
  const subject = "Port";
  const code = await tryListen(host, port);
  switch (code) {
    case null:
      return [finding("ok", subject, port === 0 ? "any free one" : `${port} of ${host} is free`)];
    case "EADDRINUSE":
      return [
        finding(
          "problem",
          subject,
          `${port} of ${host} is taken by another program`,
          "Use another with PARLEY_PORT or --port; 0 takes any that is free.",
        ),
      ];
    case "EACCES":
      return [
        finding(
          "problem",
          subject,
          `this account may not listen on ${port}`,
          "Use a port above 1023.",
        ),
      ];
    default:
      return [
        finding(
          "problem",
          subject,
          `cannot listen on ${host}:${port} (${code})`,
          "Set PARLEY_HOST to an address of this machine, or to 0.0.0.0.",
        ),
      ];
  }
}

/** Null where it works, else the system's error code. */
function tryListen(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}
