import { describe, expect, test } from "vitest";
import { sniffType, TextWatch } from "./sniff.ts";

const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const bytes = (...values: number[]): Buffer => Buffer.from(values);

async function typeOf(content: Buffer | string, name = "file"): Promise<string> {
  const all = Buffer.from(content);
  const watch = new TextWatch();
  // In pieces that cut characters apart.
  for (let at = 0; at < all.length; at += 3) watch.push(all.subarray(at, at + 3));
  return await sniffType(all, watch.end(), name);
}

describe("what a file is, by its content", () => {
  test.each<[string, Buffer | string, string, string]>([
    // What is honest.
    ["a picture", png, "a.png", "image/png"],
    [
      "a JPEG",
      bytes(0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, 1),
      "",
      "image/jpeg",
    ],
    ["a document", "%PDF-1.7\n%\xe2\xe3", "a.pdf", "application/pdf"],
    ["a document of plain letters", "%PDF-1.1\n1 0 obj", "a.pdf", "application/pdf"],
    ["an archive", bytes(0x50, 0x4b, 3, 4, 20, 0, 0, 0, 8, 0), "a.zip", "application/zip"],
    ["text", "Grüße, 世界 🎉\r\n\tyes", "a", "text/plain"],
    ["text with a byte order mark", Buffer.from("\ufeffhello"), "a.txt", "text/plain"],
    ["a log with colours", "\x1b[31mred\x1b[0m", "a.log", "text/plain"],
    ["markdown", "# Title", "README.MD", "text/markdown"],
    ["markdown that begins with a tag", "<div align=center>", "README.md", "text/markdown"],
    ["a table", "a,b\n1,2", "a.csv", "text/csv"],
    ["JSON", '{"a":1}', "a.json", "application/json"],
    ["nothing", "", "a.png", "text/plain"],
    // What is none of what its name says.
    [
      "a program that is called a picture",
      bytes(0x4d, 0x5a, 0x90, 0, 3, 0),
      "a.png",
      "application/x-msdownload",
    ],
    ["text that is called a picture", "just text", "a.png", "text/plain"],
    ["a picture that is called text", png, "a.txt", "image/png"],
    ["bytes that are called text", bytes(1, 2, 3, 0), "a.txt", "application/octet-stream"],
    ["half a character at the end", bytes(0x61, 0xc3), "a.txt", "application/octet-stream"],
    [
      "text in another encoding",
      bytes(0x47, 0x72, 0xfc, 0xdf, 0x65),
      "a.txt",
      "application/octet-stream",
    ],
    ["a NUL among letters", "abc\0def", "a.txt", "application/octet-stream"],
    // A few letters are a signature of some formats.
    ["text that begins like a bitmap", "BM is short for benchmark", "a.txt", "text/plain"],
    ["text that begins like a program", "MZ was his name", "a.txt", "text/plain"],
    ["text that begins like music", "ID3 learns trees", "a.txt", "text/plain"],
    ["a signature and nothing else", png.subarray(0, 8), "a.png", "application/octet-stream"],
    // What a browser would run.
    ["HTML", "<!DOCTYPE html><script>alert(1)</script>", "a.txt", "text/html"],
    ["HTML behind blanks and comments", "\n <!-- x -->\n<HTML >", "a.md", "text/html"],
    ["a script tag", "<script>alert(1)</script>", "a.csv", "text/html"],
    ["HTML by its name", "hello", "a.html", "text/html"],
    [
      "a drawing",
      '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
      "a.png",
      "image/svg+xml",
    ],
    [
      "a drawing behind a prologue",
      '<?xml version="1.0"?>\n<!-- x --><svg:svg/>',
      "a.xml",
      "image/svg+xml",
    ],
    ["other XML", '<?xml version="1.0"?><a/>', "a", "application/xml"],
    // Polyglots: valid as one thing, meant as another.
    ["a GIF that is a script", "GIF89a/*\n*/=1;alert(1)", "a.gif", "text/plain"],
    [
      "a picture with HTML behind it",
      Buffer.concat([png, Buffer.from("<script>alert(1)</script>")]),
      "a.html",
      "image/png",
    ],
    [
      "HTML with a picture behind it",
      Buffer.concat([Buffer.from("<html>"), png]),
      "a.png",
      "application/octet-stream",
    ],
    ["a document behind HTML", "<html>\n%PDF-1.4", "a.pdf", "text/html"],
    [
      "an archive behind a document",
      Buffer.concat([Buffer.from("%PDF-1.4\n"), bytes(0x50, 0x4b, 3, 4, 0)]),
      "a.zip",
      "application/pdf",
    ],
  ])("%s", async (_what, content, name, type) => {
    expect(await typeOf(content, name)).toBe(type);
  });
});

test("text is judged to its end, however long it is", () => {
  const watch = new TextWatch();
  for (let i = 0; i < 1_000; i++) watch.push(Buffer.from("a line of text\n"));
  watch.push(Buffer.from([0xff]));
  expect(watch.end()).toBe(false);
});
