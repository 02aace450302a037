import type { Chat, Labels } from "@parley/protocol";

/** A chat's labels as filters have them: `key:value`. */
export function labelsOf({ labels }: Pick<Chat, "labels">): string[] {
  return Object.entries(labels).map(([key, value]) => `${key}:${value}`);
}

/** As a person writes them: `urgent, team: support`. A key alone has an empty value. */
export function labelsText(labels: Labels): string {
  return Object.entries(labels)
    .map(([key, value]) => (value === "" ? key : `${key}: ${value}`))
    .join(", ");
}

/** What was written, as labels; of a key that is there twice the last counts. */
export function parseLabels(text: string): Labels {
  const pairs = text.split(",").flatMap((one): [string, string][] => {
    const [key = "", ...value] = one.split(":");
    return key.trim() === "" ? [] : [[key.trim(), value.join(":").trim()]];
  });
  return Object.fromEntries(pairs);
}
