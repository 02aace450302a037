import { limits } from "@parley/protocol";
import { bytes, integer, list, seconds } from "./parsers.ts";
import { setting } from "./setting.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const hourSeconds = 3_600;
const yearSeconds = 31_536_000;

/** The rows of the table about attachments. */
export const fileSettings = {
  fileBytesMax: setting({
    section: "Limits",
    env: "PARLEY_FILE_BYTES",
    flag: "file-bytes",
    parser: bytes(KiB, GiB),
    default: limits.fileBytesMax,
    description: "Size of one uploaded file.",
  }),
  filesPerChatMax: setting({
    section: "Limits",
    env: "PARLEY_FILES_PER_CHAT",
    flag: "files-per-chat",
    parser: integer(0, 10_000),
    default: limits.filesPerChatMax,
    description: "Uploaded files that one chat may refer to.",
  }),
  fileBytesPerOwnerMax: setting({
    section: "Limits",
    env: "PARLEY_FILE_BYTES_PER_OWNER",
    flag: "file-bytes-per-owner",
    parser: bytes(0, 1024 * GiB),
    default: GiB,
    description: "Size of all uploaded files of one owner together. `0`: any.",
  }),
  fileTypes: setting({
    section: "Limits",
    env: "PARLEY_FILE_TYPES",
    flag: "file-types",
    parser: list("media types (`image/png`, `image/*`, `*`)", /^(\*|[a-z]+\/(\*|[\w.+-]+))$/, 100),
    default: ["*"],
    description:
      "Types of files that are taken, as their content shows them; the others are refused.",
  }),
  fileUnusedMs: setting({
    section: "Limits",
    env: "PARLEY_FILE_UNUSED_SECONDS",
    flag: "file-unused-seconds",
    parser: seconds(60, yearSeconds),
    default: 24 * hourSeconds * 1_000,
    description: "How long an uploaded file is kept that no message refers to.",
  }),
  fileAgeMs: setting({
    section: "Limits",
    env: "PARLEY_FILE_AGE_SECONDS",
    flag: "file-age-seconds",
    parser: seconds(0, 100 * yearSeconds),
    default: 0,
    description:
      "How long any uploaded file is kept; messages that refer to it say then that it has expired. " +
      "`0`: as long as a chat refers to it. Counts for files that are uploaded from then on.",
  }),
  fileLinkMs: setting({
    section: "Limits",
    env: "PARLEY_FILE_LINK_SECONDS",
    flag: "file-link-seconds",
    parser: seconds(1, 7 * 24 * hourSeconds),
    default: 600_000,
    description: "How long a signed link to a file's bytes is good.",
  }),
  promptFileBytesMax: setting({
    section: "Limits",
    env: "PARLEY_PROMPT_FILE_BYTES",
    flag: "prompt-file-bytes",
    parser: bytes(0, 100 * MiB),
    default: 15 * MiB,
    description:
      "Bytes of uploaded files in one call of a model, the newest first; of older ones the model is told that they " +
      "are left out. Providers refuse requests of more than 20 to 50 MB, and what is sent is a third larger.",
  }),
} as const;
