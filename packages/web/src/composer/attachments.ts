import type { Client } from "@parley/client";
import { useCallback, useRef, useState } from "react";
import { reasonOf } from "../ui/toast-store.ts";
import { upload, type UploadedPart } from "./upload.ts";

/** A file on its way into a message. */
export interface Attachment {
  readonly id: number;
  readonly name: string;
  readonly media_type: string;
  readonly state: "uploading" | "ready" | "failed";
  readonly part: UploadedPart | null;
  /** Why it failed, in words for the user. */
  readonly problem: string | null;
}

export interface Attachments {
  readonly list: readonly Attachment[];
  /** Nothing is on its way or has failed: the message may go. */
  readonly settled: boolean;
  readonly add: (files: Iterable<File>) => void;
  readonly remove: (id: number) => void;
  readonly clear: () => void;
}

/** As many as a message has, by the server's own limit. */
const attachmentsMax = 20;

/** The files beside a draft; each is uploaded as soon as it is added. */
export function useAttachments(client: Client): Attachments {
  const [list, setList] = useState<readonly Attachment[]>([]);
  const lastId = useRef(0);
  const uploads = useRef(new Map<number, AbortController>());

  const add = useCallback(
    (files: Iterable<File>): void => {
      for (const file of files) {
        const id = ++lastId.current;
        const abort = new AbortController();
        const { name, type: media_type } = file;
        const change = (next: Partial<Attachment>): void =>
          setList((all) => all.map((each) => (each.id === id ? { ...each, ...next } : each)));
        setList((all) => {
          if (all.length >= attachmentsMax) return all;
          return [...all, { id, name, media_type, state: "uploading", part: null, problem: null }];
        });
        uploads.current.set(id, abort);
        upload(client, file, abort.signal)
          .then((part) => change({ state: "ready", part, media_type: part.media_type }))
          .catch((error: unknown) => change({ state: "failed", problem: reasonOf(error) }))
          .finally(() => uploads.current.delete(id));
      }
    },
    [client],
  );
  const remove = useCallback((id: number): void => {
    uploads.current.get(id)?.abort();
    setList((all) => all.filter((each) => each.id !== id));
  }, []);
  const clear = useCallback((): void => setList([]), []);
  return { list, settled: list.every(({ state }) => state === "ready"), add, remove, clear };
}
