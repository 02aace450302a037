/** Every user message of the storm has a name of its own, that replies repeat. */

export function tagOf(chat: number, n: number, tool: boolean): string {
  return `T${chat}-${n}${tool ? "x" : ""}`;
}

export function tagsIn(text: string): string[] {
  return text.match(/T\d+-\d+x?\b/g) ?? [];
}

/** Whether the reply to it is to call a tool that a client runs. */
export function wantsTool(tag: string): boolean {
  return tag.endsWith("x");
}
