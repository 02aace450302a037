import { expect, test } from "vitest";
import { useRig } from "./rig.ts";

const rig = useRig();

test("the printed address signs in, and leaves no token in the address bar or the history", async () => {
  const page = await rig.page();
  await page.getByRole("heading", { level: 1 }).first().waitFor();
  expect(page.url()).toBe(`${rig.server.url}/`);
  expect(await page.evaluate("document.cookie")).toBe("");
  const cookies = await page.context().cookies();
  expect(cookies).toMatchObject([{ httpOnly: true, sameSite: "Strict" }]);
});
