import { expect, test } from "vitest";
import { explainFailure } from "./failure.ts";

test.each([
  ["initdb: error: could not write: No space left on device", "disk_full"],
  ["FATAL:  database files are incompatible with server", "other_major_version"],
  ["error while loading shared libraries: libfoo.so", "not_runnable"],
  ["/lib/libc.so.6: version `GLIBC_2.28' not found", "not_runnable"],
  ['FATAL:  data directory "/x" has wrong ownership', "permission"],
  ['FATAL:  data directory "/x" has invalid permissions', "permission"],
  ["initdb: error: could not access directory: Permission denied", "permission"],
  ["something new", "did_not_start"],
])("%s", (output, failure) => {
  const error = explainFailure("postgres", `first line\n${output}\n`);
  expect(error).toMatchObject({ code: "embedded_database", failure });
  expect(error.message).toContain(output);
  expect(error.message).toContain("PARLEY_DATABASE_URL");
});

test("only the end of a long output is shown", () => {
  const output = Array.from({ length: 1_000 }, (_, i) => `line ${i}`).join("\n");
  const { message } = explainFailure("postgres", output);
  expect(message).toContain("line 999");
  expect(message).not.toContain("line 900\n");
});
