/** What can be typed while the cluster runs. */
export type TypedCommand =
  | { readonly kind: "kill" | "stop" | "cont" | "term" | "start"; readonly name: string }
  | { readonly kind: "list" | "help" | "quit" | "nothing" }
  | { readonly kind: "mistake"; readonly text: string };

export const commandsHelp = [
  "kill N    kill -9: it crashes",
  "stop N    SIGSTOP: it hangs",
  "cont N    SIGCONT: it goes on",
  "term N    SIGTERM: it drains and ends",
  "start N   starts it again",
  "list      what runs",
  "quit      ends everything",
] as const;

const onReplica = ["kill", "stop", "cont", "term", "start"] as const;
const plain = ["list", "help", "quit"] as const;

/** @param names of the replicas that there are */
export function parseCommand(line: string, names: readonly string[]): TypedCommand {
  const [word = "", name, ...rest] = line.trim().split(/\s+/);
  if (word === "") return { kind: "nothing" };
  const alone = plain.find((known) => known === word);
  if (alone !== undefined && name === undefined) return { kind: alone };
  const kind = onReplica.find((known) => known === word);
  if (kind === undefined)
    return mistake(`There is no "${line.trim()}"; "help" lists what there is.`);
  if (name === undefined || rest.length > 0 || !names.includes(name)) {
    return mistake(`${kind} which one? ${names.join(", ")}.`);
  }
  return { kind, name };
}

function mistake(text: string): TypedCommand {
  return { kind: "mistake", text };
}
