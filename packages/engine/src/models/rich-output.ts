import type { LanguageModelV4ToolResultPart } from "@ai-sdk/provider";
import type { FilePart } from "@parley/protocol";
import type { OutputItem } from "../domain/tool-output.ts";
import { note, placeFile } from "./prompt-files.ts";
import type { Flavour, PromptTarget } from "./prompt.ts";

type Output = LanguageModelV4ToolResultPart["output"];
type Item = Extract<Output, { type: "content" }>["value"][number];

/** A tool's result with pictures or resources in it, as far as the provider takes them in results. */
export function richOutput(items: readonly OutputItem[], { flavour, plain }: PromptTarget): Output {
  const placed = items.map((item) => placeItem(item, flavour, plain === true));
  const texts = placed.filter((item) => item.type === "text");
  if (texts.length < placed.length) return { type: "content", value: placed };
  return { type: "text", value: texts.map(({ text }) => text).join("\n") };
}

function placeItem(item: OutputItem, flavour: Flavour, plain: boolean): Item {
  switch (item.type) {
    case "text":
      return { type: "text", text: item.text };
    case "resource": {
      const title = item.title === undefined ? "" : ` "${item.title}"`;
      return { type: "text", text: `[resource${title} at ${item.uri}]` };
    }
    case "file":
      return placeMedia(item, flavour, plain);
  }
}

/** Elsewhere a picture in a result would be sent as a very long text. */
const takesPictures: ReadonlySet<Flavour> = new Set(["anthropic", "openai-responses", "google"]);

function placeMedia(file: FilePart, flavour: Flavour, plain: boolean): Item {
  const placed = placeFile(file, flavour);
  if (placed.type === "text") return { type: "text", text: placed.text };
  const isPicture = placed.mediaType.startsWith("image/");
  if (plain || !isPicture || !takesPictures.has(flavour))
    return { type: "text", text: note(file).text };
  return { type: "file", mediaType: placed.mediaType, data: placed.data };
}
