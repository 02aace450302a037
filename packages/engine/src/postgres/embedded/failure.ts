import { EmbeddedUnavailable, type EmbeddedFailure } from "./error.ts";

/** What the programs print, and what a person can do about it. The first that fits. */
const knownFailures: { pattern: RegExp; failure: EmbeddedFailure; advice: string }[] = [
  {
    pattern: /No space left on device|could not extend file|Disk quota exceeded/i,
    failure: "disk_full",
    advice: "The disk with the data folder is full: make room and start again. Nothing is lost.",
  },
  {
    pattern: /database files are incompatible|is not compatible with this version/i,
    failure: "other_major_version",
    advice:
      "The data folder was made by another major version of PostgreSQL, which cannot read it. Move the data over " +
      "with pg_dump from the old version, or choose another folder with PARLEY_DATA_DIR.",
  },
  {
    pattern: /error while loading shared libraries|Library not loaded|version `GLIBC/i,
    failure: "not_runnable",
    advice: "The PostgreSQL binaries cannot run on this system: a library is missing or too old.",
  },
  {
    pattern:
      /Permission denied|wrong ownership|invalid permissions|Operation not permitted|EACCES/i,
    failure: "permission",
    advice:
      "The data folder belongs to another user, or may not be written. Start Parley as the user who made it, or " +
      "choose another folder with PARLEY_DATA_DIR.",
  },
];

/** A killed server's last backends still hold its memory: they notice within moments, then starting works. */
export const orphansPattern = /pre-existing shared memory block/;

/** `output` is what the program said; its end goes into the message. */
export function explainFailure(
  program: string,
  output: string,
  cause?: unknown,
): EmbeddedUnavailable {
  const known = knownFailures.find(({ pattern }) => pattern.test(output));
  const tail = output.trim().split("\n").slice(-outputLinesMax).join("\n");
  const what = known?.advice ?? "The embedded PostgreSQL did not start.";
  return new EmbeddedUnavailable(
    known?.failure ?? "did_not_start",
    `${what}\n${program} said:\n${tail || "(nothing)"}`,
    { details: { program }, cause },
  );
}

const outputLinesMax = 15;
