import type { FilePart } from "@parley/protocol";
import { File as FileIcon, FileText, ImageIcon } from "lucide-react";
import { useMemo, useSyncExternalStore, type ReactNode } from "react";

/** Kinds that a browser can show without running anything of theirs. */
const shownImages = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);

/** A file of a message: small images are shown, everything else is named, and can be saved. */
export function File({ part }: { part: FilePart }): ReactNode {
  const url = useObjectUrl(part);
  const name = part.filename ?? part.media_type;
  if (url !== null && shownImages.has(part.media_type)) {
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
  const chip =
    "inline-flex max-w-80 items-center gap-2 rounded-md border border-line bg-surface px-2.5 py-1.5 text-sm";
  const inside = (
    <>
      <KindIcon mediaType={part.media_type} />
      <span className="truncate">{name}</span>
    </>
  );
  if (url === null) return <span className={chip}>{inside}</span>;
  return (
    <a href={url} download={part.filename ?? "file"} className={`${chip} hover:bg-hover`}>
      {inside}
    </a>
  );
}

export function KindIcon({ mediaType }: { mediaType: string }): ReactNode {
  const look = "shrink-0 text-ink-muted";
  if (mediaType.startsWith("image/")) return <ImageIcon size={16} aria-hidden className={look} />;
  if (/^text\/|json|pdf/.test(mediaType))
    return <FileText size={16} aria-hidden className={look} />;
  return <FileIcon size={16} aria-hidden className={look} />;
}

/**
 * An address of the file's bytes within this page. Null where there are none: files of other sites are named and not
 * loaded, since that would tell their site who looks at them.
 */
function useObjectUrl({ data, media_type }: FilePart): string | null {
  // What could run is handed out as bytes, never as a page of this origin.
  const type = shownImages.has(media_type) ? media_type : "application/octet-stream";
  const blob = useMemo(() => {
    const bytes = data === undefined ? null : bytesOf(data);
    return bytes === null ? null : new Blob([bytes], { type });
  }, [data, type]);
  const store = useMemo(() => objectUrl(blob), [blob]);
  return useSyncExternalStore(store.subscribe, store.get);
}

/** An address for a blob, for as long as anybody shows it. */
function objectUrl(blob: Blob | null) {
  let url: string | null = null;
  let users = 0;
  return {
    get: (): string | null => {
      if (blob === null) return null;
      return (url ??= URL.createObjectURL(blob));
    },
    subscribe: (): (() => void) => {
      users += 1;
      return () => {
        users -= 1;
        if (users > 0 || url === null) return;
        URL.revokeObjectURL(url);
        url = null;
      };
    },
  };
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}
