/** A setting that holds a JSON array, or the path of a file with one. */
export function readJsonList(
  text: string,
  readFile: (path: string) => string,
): { json: unknown } | { problem: string } {
  const inline = /^\s*\[/.test(text);
  let content = text;
  if (!inline) {
    try {
      content = readFile(text);
    } catch {
      return { problem: "is neither a JSON array nor the path of a file that can be read" };
    }
  }
  try {
    return { json: JSON.parse(content) as unknown };
  } catch {
    return { problem: inline ? "is no valid JSON" : "the file holds no valid JSON" };
  }
}

/** Where in the array a problem is, to stand before it. */
export function place(path: readonly PropertyKey[]): string {
  return path.length === 0 ? "" : `${path.map(String).join(".")}: `;
}
