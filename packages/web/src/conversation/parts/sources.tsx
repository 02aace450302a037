import type { SourcePart } from "@parley/protocol";
import { BookOpen, Link2 } from "lucide-react";
import type { ReactNode } from "react";

/** What the reply rests on. */
export function Sources({ sources }: { sources: readonly SourcePart[] }): ReactNode {
  return (
    <ul className="flex flex-wrap gap-1.5" aria-label="Sources">
      {sources.map((source) => (
        <li key={source.id}>
          <Source source={source} />
        </li>
      ))}
    </ul>
  );
}

function Source({ source: { url, title, filename } }: { source: SourcePart }): ReactNode {
  const look =
    "inline-flex max-w-72 items-center gap-1.5 rounded-md border border-line bg-surface px-2 py-1 text-xs";
  const host = url === undefined ? null : hostOf(url);
  const text = title ?? filename ?? host ?? "Source";
  if (host === null) {
    return (
      <span className={look}>
        <BookOpen size={13} aria-hidden className="shrink-0 text-ink-faint" />
        <span className="truncate">{text}</span>
      </span>
    );
  }
  return (
    <a
      href={url}
      target="_blank"
      rel="noopener noreferrer nofollow"
      className={`${look} hover:bg-hover`}
    >
      <Link2 size={13} aria-hidden className="shrink-0 text-ink-faint" />
      <span className="truncate">{text}</span>
      {text !== host && <span className="shrink-0 text-ink-faint">{host}</span>}
    </a>
  );
}

/** Null for what is no web address. */
function hostOf(url: string): string | null {
  const parsed = URL.parse(url);
  return parsed !== null && /^https?:$/.test(parsed.protocol) ? parsed.host : null;
}
