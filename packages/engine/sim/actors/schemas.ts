import type { JsonObject } from "@parley/protocol";
import { SchemasUnavailable, type Schemas } from "../../src/schemas/checker.ts";
import type { Verdict } from "../../src/schemas/job.ts";
import { verdictOn } from "../../src/schemas/verdict.ts";
import type { SimProcess } from "../process.ts";
import type { Rng } from "../rng.ts";

/** As long as the thread of a quiet machine takes, and now and then that of a busy one. */
const meanMs = 8;

/** Checks schemas as the engine's thread does, at a time of the simulation; now and then nobody can. */
export class SimSchemas implements Schemas {
  readonly #process: SimProcess;
  readonly #rng: Rng;
  #stopped = false;

  constructor(process: SimProcess, rng: Rng) {
    this.#process = process;
    this.#rng = rng;
  }

  async check(schema: JsonObject, value: string | null): Promise<Verdict> {
    await this.#process.clock.sleep(this.#rng.exponential(meanMs), "schema");
    if (this.#stopped) throw new SchemasUnavailable("this server is stopping");
    if (this.#rng.chance(0.03)) throw new SchemasUnavailable("the validator did not start");
    return verdictOn({ schema: JSON.stringify(schema), value });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
  }
}
