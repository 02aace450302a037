import { get } from "node:http";
import type { Clock } from "../../lib/clock.ts";
import type { Backend } from "./rotation.ts";

/** `none`: no answer. */
export type Readiness = "ready" | "unready" | "none";

/** Asks `/readyz`. Never throws. */
export async function askReadiness(
  { host, port }: Pick<Backend, "host" | "port">,
  clock: Clock,
  waitMs: number,
  signal: AbortSignal,
): Promise<Readiness> {
  return await new Promise((resolve) => {
    // A connection of its own each time: a kept one would say nothing about taking new ones.
    const request = get({ host, port, path: "/readyz", agent: false });
    const late = clock.timer(waitMs, "front.readiness", () => request.destroy());
    const abandon = (): void => void request.destroy();
    signal.addEventListener("abort", abandon);
    request.once("response", (response) => {
      resolve(response.statusCode === 200 ? "ready" : "unready");
      response.resume();
    });
    request.on("error", () => resolve("none"));
    request.once("close", () => {
      late.cancel();
      signal.removeEventListener("abort", abandon);
      resolve("none");
    });
  });
}
