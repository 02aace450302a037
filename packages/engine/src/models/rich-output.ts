import type { LanguageModelV4ToolResultPart } from "@ai-sdk/provider";
import type { FilePart } from "@parley/protocol";
import type { OutputItem } from "../domain/tool-output.ts";
import { takesMedia } from "./model-table.ts";
import { note, placeFile } from "./prompt-files.ts";
import type { Flavour, PromptTarget } from "./prompt.ts";

type Output = LanguageModelV4ToolResultPart["output"];
type Item = Extract<Output, { type: "content" }>["value"][number];

/** A tool's result with pictures or resources in it, as far as the provider takes them in results. */
export function richOutput(items: readonly OutputItem[], target: PromptTarget): Output {
  const placed = items.map((item) => placeItem(item, target));
  const texts = placed.filter((item) => item.type === "text");
  if (texts.length < placed.length) return { type: "content", value: placed };
  return { type: "text", value: texts.map(({ text }) => text).join("\n") };
}

function placeItem(item: OutputItem, target: PromptTarget): Item {
  switch (item.type) {
    case "text":
      return { type: "text", text: item.text };
    case "resource": {
      const title = item.title === undefined ? "" : ` "${item.title}"`;
      return { type: "text", text: `[resource${title} at ${item.uri}]` };
    }
    case "file":
      return placeMedia(item, target);
  }
}

/** Elsewhere a picture in a result would be sent as a very long text. */
const takesPictures: ReadonlySet<Flavour> = new Set(["anthropic", "openai-responses", "google"]);

function placeMedia(file: FilePart, { flavour, plain, capabilities }: PromptTarget): Item {
  const placed = placeFile(file, flavour);
  if (placed.type === "text") return { type: "text", text: placed.text };
  const isPicture = placed.mediaType.startsWith("image/");
  const isSeen = capabilities === undefined || takesMedia(capabilities, placed.mediaType);
  if (plain || !isPicture || !isSeen || !takesPictures.has(flavour))
    return { type: "text", text: note(file).text };
  return { type: "file", mediaType: placed.mediaType, data: placed.data };
}
