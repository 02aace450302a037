import type { JsonObject } from "@parley/protocol";
import type { Script, ScriptedModels, Speaker } from "./scripted-models.ts";
import { says } from "./scripted-models.ts";

/** What each chat's model says, call by call, by the first thing that the chat was told. */
export type Roles = Record<string, Script[]>;

const callsMax = 100;

/** Several chats at once on the same models: whoever asks first, each is answered from its own role. */
export function cast(models: ScriptedModels, roles: Roles): void {
  const act: Script = async (speaker) => {
    const script = roles[firstText(speaker)]?.shift() ?? says("ok");
    return await script(speaker);
  };
  models.enqueue(...Array.from({ length: callsMax }, () => act));
}

function firstText({ request }: Speaker): string {
  const part = request.messages[0]?.parts[0];
  return part?.type === "text" ? part.text : "";
}

/** The newest result of a tool that the model was given. */
export function outputOf<T = JsonObject>({ request }: Pick<Speaker, "request">, tool: string): T {
  const results = request.messages.flatMap(({ parts }) =>
    parts.filter((part) => part.type === "tool-result"),
  );
  const result = results.findLast((part) => part.tool_name === tool);
  if (result === undefined) throw new Error(`no result of ${tool}`);
  return result.output as T;
}
