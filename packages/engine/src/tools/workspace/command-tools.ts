import { z } from "zod";
import { onAbort } from "../../lib/abort.ts";
import { cutText } from "../cut-output.ts";
import { defineTool } from "../tool.ts";
import { type Command, type Processes, signals } from "./processes.ts";
import type { ServedTool } from "./workspace-tools.ts";

const waitSecondsDefault = 120;
const waitSecondsMax = 600;
const timeoutSecondsDefault = 1_800;
const timeoutSecondsMax = 24 * 3_600;
const pageBytesMax = 32 * 1024;
const outputBytesMax = 64 * 1024;
const commandCharsMax = 64 * 1024;
const commandShownChars = 120;

const waiting = (seconds: number, what: string) =>
  z.number().min(0).max(waitSecondsMax).default(seconds).describe(what);
const processId = z.string().min(1).max(20).describe("As run_command has named it.");

/** Running commands, and dealing with those that go on. */
export function commandTools(processes: Processes): ServedTool[] {
  // The waiting is ours to bound; the tool's own limit only has to be longer.
  const timeoutMs = (waitSecondsMax + 30) * 1_000;
  return [
    {
      isReadOnly: false,
      tool: defineTool({
        name: "run_command",
        description:
          "Runs a shell command and waits for its end. One that takes longer than `wait_seconds` goes on in the " +
          "background, with everything that it prints: see read_output. With `wait_seconds` 0 it starts there.",
        input: z.strictObject({
          command: z.string().min(1).max(commandCharsMax),
          folder: z.string().min(1).default(".").describe("Where, relative to the workspace."),
          wait_seconds: waiting(waitSecondsDefault, "How long to wait for the end."),
          timeout_seconds: z
            .number()
            .min(1)
            .max(timeoutSecondsMax)
            .default(timeoutSecondsDefault)
            .describe("It is ended after this long."),
        }),
        timeoutMs,
        outputBytesMax,
        async execute(
          { command: text, folder, wait_seconds, timeout_seconds },
          { signal, progress },
        ) {
          const command = await processes.start(text, folder, timeout_seconds * 1_000);
          // Who stops the call does not want what it started either.
          const off = onAbort(signal, () => command.end());
          const unfollow = command.follow(() => progress(command.output.tail(progressBytesMax)));
          await command.wait(wait_seconds * 1_000, signal);
          unfollow();
          off();
          return report(command, 0, outputBytesMax / 2);
        },
      }),
    },
    {
      isReadOnly: true,
      tool: defineTool({
        name: "read_output",
        description:
          "Reads what a command has printed, from a byte offset, and whether it has ended. Waits a while where there " +
          "is nothing new.",
        input: z.strictObject({
          process: processId,
          offset: z.int().min(0).default(0),
          wait_seconds: waiting(0, "How long to wait for more output, or for the end."),
        }),
        timeoutMs,
        outputBytesMax,
        delivery: "at_least_once",
        async execute({ process, offset, wait_seconds }, { signal }) {
          const command = processes.get(process);
          await command.waitForOutput(offset, wait_seconds * 1_000, signal);
          return page(command, offset);
        },
      }),
    },
    {
      isReadOnly: false,
      tool: defineTool({
        name: "write_input",
        description: "Writes to the standard input of a command that is running.",
        input: z.strictObject({
          process: processId,
          text: z.string().max(commandCharsMax),
          end: z.boolean().default(false).describe("Close it afterwards."),
        }),
        execute({ process, text, end }) {
          processes.get(process).write(text, end);
          return "Written.";
        },
      }),
    },
    {
      isReadOnly: false,
      tool: defineTool({
        name: "send_signal",
        description: "Sends a signal to a command and everything that it started.",
        input: z.strictObject({ process: processId, signal: z.enum(signals).default("SIGTERM") }),
        async execute({ process, signal }, { signal: stop }) {
          const command = processes.get(process);
          command.kill(signal);
          // Most end at once, and who sends it wants to know.
          if (signal !== "SIGSTOP" && signal !== "SIGCONT") await command.wait(settleMs, stop);
          return headOf(command);
        },
      }),
    },
    {
      isReadOnly: true,
      tool: defineTool({
        name: "list_processes",
        description: "Lists the commands that are running, and those that ended lately.",
        input: z.strictObject({}),
        delivery: "at_least_once",
        execute: () => processes.list().map(headOf).join("\n") || "No command has been run.",
      }),
    },
  ];
}

const settleMs = 1_000;
const progressBytesMax = 1_000;

/** The whole output, its middle left out where it is long, and how to read that. */
function report(command: Command, offset: number, bytesMax: number): string {
  const { output } = command;
  const { text, dropped } = output.read(offset, Number.MAX_SAFE_INTEGER);
  const lost = dropped > 0 ? `[the first ${dropped} bytes are not kept]\n` : "";
  const shown = cutText(text, bytesMax);
  const hint = shown === text ? "" : `\n[read_output shows the rest, up to byte ${output.end}]`;
  const body = text === "" ? "[no output]" : `${lost}${shown}${hint}`;
  return `${headOf(command)}\n\n${body}`;
}

function page(command: Command, offset: number): string {
  const { text, next, dropped } = command.output.read(offset, pageBytesMax);
  const lost = dropped > 0 ? `[${dropped} bytes before this are not kept]\n` : "";
  const isAll = next === command.output.end;
  const rest = isAll ? `[end of output so far: byte ${next}]` : `[go on with offset ${next}]`;
  return `${headOf(command)}\n\n${lost}${text}\n${rest}`;
}

function headOf(command: Command): string {
  const { id, text, ended } = command;
  const shown = text.length > commandShownChars ? `${text.slice(0, commandShownChars)} …` : text;
  const after = `after ${command.seconds.toFixed(1)} s`;
  const what = shown.replaceAll("\n", " ");
  if (ended === null) return `process ${id} is running, ${after}: ${what}`;
  const end = ended.timedOut
    ? "was ended because its time was up"
    : ended.signal !== null
      ? `was ended by ${ended.signal}`
      : `ended with exit code ${ended.code ?? "unknown"}`;
  return `process ${id} ${end}, ${after}: ${what}`;
}
