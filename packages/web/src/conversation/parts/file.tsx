import { useClient } from "@parley/client/react";
import type { FilePart } from "@parley/protocol";
import { File as FileIcon, FileText, ImageIcon } from "lucide-react";
import type { ReactNode } from "react";
import { showError } from "../../ui/toast-store.ts";
import { fileUrl, useFileUrl } from "./file-url.ts";
import { useObjectUrl } from "./object-url.ts";

/** Kinds that a browser can show without running anything of theirs. */
const shownImages = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);

/** A file of a message: images are shown, everything else is named, and can be saved. Files of other sites are only named. */
export function File({ part }: { part: FilePart }): ReactNode {
  const isImage = shownImages.has(part.media_type);
  if (part.file_id !== undefined) {
    return isImage ? (
      <StoredImage part={part} fileId={part.file_id} />
    ) : (
      <StoredFile part={part} fileId={part.file_id} />
    );
  }
  return <InlineFile part={part} isImage={isImage} />;
}

interface StoredProps {
  part: FilePart;
  fileId: string;
}

function StoredImage({ part, fileId }: StoredProps): ReactNode {
  const { url, problem } = useFileUrl(fileId);
  if (problem !== null) return <Chip part={part} note={problem} />;
  // Its place is kept until it is there.
  if (url === null) return <div className="h-40 w-56 animate-pulse rounded-lg bg-hover" />;
  return <Image url={url} part={part} />;
}

function StoredFile({ part, fileId }: StoredProps): ReactNode {
  const client = useClient();
  const save = async (): Promise<void> => {
    try {
      const url = await fileUrl(client, fileId);
      Object.assign(document.createElement("a"), { href: url, download: "" }).click();
    } catch (error) {
      showError("The file was not saved", error);
    }
  };
  return (
    <button type="button" onClick={() => void save()} className="text-left">
      <Chip part={part} />
    </button>
  );
}

function InlineFile({ part, isImage }: { part: FilePart; isImage: boolean }): ReactNode {
  // What could run is handed out as bytes, never as a page of this origin.
  const url = useObjectUrl(part.data, isImage ? part.media_type : "application/octet-stream");
  if (url === null) return <Chip part={part} />;
  if (isImage) return <Image url={url} part={part} />;
  return (
    <a href={url} download={part.filename ?? "file"}>
      <Chip part={part} />
    </a>
  );
}

function Image({ url, part }: { url: string; part: FilePart }): ReactNode {
  return (
    <a href={url} target="_blank" rel="noopener noreferrer" className="inline-block">
      <img
        src={url}
        alt={part.filename ?? "Attached image"}
        className="max-h-80 max-w-full rounded-lg border border-line object-contain"
      />
    </a>
  );
}

function Chip({ part, note }: { part: FilePart; note?: string }): ReactNode {
  return (
    <span className="inline-flex max-w-80 items-center gap-2 rounded-md border border-line bg-surface px-2.5 py-1.5 text-sm hover:bg-hover">
      <KindIcon mediaType={part.media_type} />
      <span className="truncate">{part.filename ?? part.media_type}</span>
      {part.size_bytes !== undefined && note === undefined && (
        <span className="shrink-0 text-xs text-ink-faint">{sizeText(part.size_bytes)}</span>
      )}
      {note !== undefined && <span className="shrink-0 text-xs text-warn">{note}</span>}
    </span>
  );
}

export function KindIcon({ mediaType }: { mediaType: string }): ReactNode {
  const look = "shrink-0 text-ink-muted";
  if (mediaType.startsWith("image/")) return <ImageIcon size={16} aria-hidden className={look} />;
  if (/^text\/|json|pdf/.test(mediaType)) {
    return <FileText size={16} aria-hidden className={look} />;
  }
  return <FileIcon size={16} aria-hidden className={look} />;
}

function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
