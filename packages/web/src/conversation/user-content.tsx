import type { Part } from "@parley/protocol";
import type { ReactNode } from "react";
import { textOf } from "./content.ts";
import { File } from "./parts/file.tsx";

/** What a person said, as they typed it: nothing in it is read as markup. */
export function UserContent({
  parts,
  faded = false,
}: {
  parts: readonly Part[];
  faded?: boolean;
}): ReactNode {
  const text = textOf(parts);
  const files = parts.filter((part) => part.type === "file");
  return (
    <div className={`flex max-w-[85%] flex-col items-end gap-1.5 ${faded ? "opacity-60" : ""}`}>
      {files.map((part, at) => (
        // Files of a message keep their places.
        // oxlint-disable-next-line react/no-array-index-key
        <File key={at} part={part} />
      ))}
      {text !== "" && (
        <div className="rounded-xl rounded-br-sm bg-accent-soft px-4 py-2.5 break-words whitespace-pre-wrap">
          {text}
        </div>
      )}
    </div>
  );
}
