import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The fault: the first line of a basket is never counted. */
export const fault = "for (let i = 1; i < lines.length; i++)";
export const cure = "for (let i = 0; i < lines.length; i++)";

const source = "./basket.js";

/** What the second terminal asks for. */
export const wish = "Please add a test for an empty basket, too.";

export const files = {
  "package.json": `{ "name": "basket", "version": "1.0.0", "private": true, "type": "module" }\n`,
  "basket.js": `/** What the lines of a basket cost together, in cents. */
export function total(lines) {
  let cents = 0;
  ${fault} {
    cents += lines[i].price * lines[i].count;
  }
  return cents;
}
`,
  "basket.test.js": `import assert from "node:assert/strict";
import { test } from "node:test";
import { total } from "${source}";

test("one line", () => {
  assert.equal(total([{ price: 250, count: 2 }]), 500);
});

test("several lines", () => {
  assert.equal(total([{ price: 250, count: 2 }, { price: 99, count: 1 }]), 599);
});
`,
} as const;

/** The end of the tests, and what stands there once the wish is granted. */
export const lastTest = `  assert.equal(total([{ price: 250, count: 2 }, { price: 99, count: 1 }]), 599);
});
`;
export const addedTest = `${lastTest}
test("an empty basket", () => {
  assert.equal(total([]), 0);
});
`;

/** A small project with a failing test. */
export async function makeProject(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await Promise.all(
    Object.entries(files).map(async ([name, text]) => await writeFile(join(folder, name), text)),
  );
}
