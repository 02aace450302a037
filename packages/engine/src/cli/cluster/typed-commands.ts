import { createInterface, type Interface } from "node:readline";
import { assertNever } from "../../lib/assert.ts";
import type { Scope } from "../../lib/scope.ts";
import { say, type CliContext } from "../context.ts";
import type { Members } from "./members.ts";
import { commandsHelp, parseCommand } from "./typed-command.ts";

const signals = { kill: "SIGKILL", stop: "SIGSTOP", cont: "SIGCONT", term: "SIGTERM" } as const;

/** What is typed while the cluster runs. The terminal edits the lines itself, so that Ctrl-C stays a signal. */
export class TypedCommands {
  readonly #context: CliContext;
  readonly #members: Pick<Members, "names" | "signal" | "start" | "list">;
  readonly #scope: Pick<Scope, "run">;
  readonly #quit: () => void;
  #lines: Interface | null = null;

  constructor(
    context: CliContext,
    members: Pick<Members, "names" | "signal" | "start" | "list">,
    scope: Pick<Scope, "run">,
    quit: () => void,
  ) {
    this.#context = context;
    this.#members = members;
    this.#scope = scope;
    this.#quit = quit;
  }

  start(): void {
    this.#lines = createInterface({ input: this.#context.stdin });
    this.#lines.on("line", (line) => this.#obey(line));
    // Ctrl-D, or a terminal that went away.
    this.#lines.once("close", () => this.#quit());
  }

  /** Lets go of the terminal. */
  stop(): void {
    this.#lines?.close();
  }

  #obey(line: string): void {
    const command = parseCommand(line, this.#members.names);
    switch (command.kind) {
      case "nothing":
        return;
      case "mistake":
        say(this.#context, command.text);
        return;
      case "help":
        say(this.#context, commandsHelp.join("\n"));
        return;
      case "list":
        say(this.#context, this.#members.list().join("\n"));
        return;
      case "quit":
        this.#quit();
        return;
      case "start":
        this.#start(command.name);
        return;
      case "kill":
      case "stop":
      case "cont":
      case "term":
        if (!this.#members.signal(command.name, signals[command.kind])) {
          say(this.#context, `Replica ${command.name} is not running.`);
        }
        return;
      default:
        assertNever(command);
    }
  }

  #start(name: string): void {
    void this.#scope.run("typed start", async () => {
      const up = await this.#members.start(name);
      say(
        this.#context,
        up ? `Replica ${name} runs.` : `Replica ${name} runs already, or did not come up.`,
      );
    });
  }
}
