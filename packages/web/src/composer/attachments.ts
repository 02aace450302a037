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
  /** Why it failed, in words for the user. */
  readonly problem: string | null;
}

export interface Attachments {
  readonly list: readonly Attachment[];
  /** One could not be stored: it has to be taken away, or added again. */
  readonly failed: boolean;
  readonly add: (files: Iterable<File>) => void;
  readonly remove: (id: number) => void;
  readonly clear: () => void;
  /** What was cleared comes back: the message was refused. */
  readonly restore: (list: readonly Attachment[]) => void;
  /** What a message names the files by, once all are stored; null where one could not be. */
  readonly parts: (list: readonly Attachment[]) => Promise<UploadedPart[] | null>;
}

/** As many as a message has, by the server's own limit. */
const attachmentsMax = 20;

interface Upload {
  readonly part: Promise<UploadedPart | null>;
  readonly abort: () => void;
}

/** The files beside a draft; each is uploaded as soon as it is added. */
export function useAttachments(client: Client): Attachments {
  const [list, setList] = useState<readonly Attachment[]>([]);
  const lastId = useRef(0);
  const uploads = useRef(new Map<number, Upload>());

  const add = useCallback(
    (files: Iterable<File>): void => {
      const change = (id: number, next: Partial<Attachment>): void =>
        setList((all) => all.map((each) => (each.id === id ? { ...each, ...next } : each)));
      const store = async (id: number, file: File, signal: AbortSignal) => {
        try {
          const part = await upload(client, file, signal);
          change(id, { state: "ready", media_type: part.media_type });
          return part;
        } catch (error) {
          change(id, { state: "failed", problem: reasonOf(error) });
          return null;
        }
      };
      for (const file of files) {
        const id = ++lastId.current;
        const abort = new AbortController();
        const { name, type: media_type } = file;
        setList((all) => {
          if (all.length >= attachmentsMax) return all;
          return [...all, { id, name, media_type, state: "uploading", problem: null }];
        });
        const part = store(id, file, abort.signal);
        uploads.current.set(id, { part, abort: () => abort.abort() });
      }
    },
    [client],
  );
  const remove = useCallback((id: number): void => {
    uploads.current.get(id)?.abort();
    uploads.current.delete(id);
    setList((all) => all.filter((each) => each.id !== id));
  }, []);
  const clear = useCallback((): void => setList([]), []);
  const restore = useCallback(
    (cleared: readonly Attachment[]): void => setList((all) => [...cleared, ...all]),
    [],
  );
  const parts = useCallback(async (of: readonly Attachment[]) => {
    const gone = Promise.resolve(null);
    const stored = await Promise.all(of.map(({ id }) => uploads.current.get(id)?.part ?? gone));
    return stored.some((part) => part === null) ? null : stored.filter((part) => part !== null);
  }, []);
  const failed = list.some(({ state }) => state === "failed");
  return { list, failed, add, remove, clear, restore, parts };
}
