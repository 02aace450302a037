import { expect, test } from "vitest";
import { useRig } from "./rig.ts";

const rig = useRig();
const stranger = /401 \(Unauthorized\)/;

test("a stranger is shown the way in, and comes in with a token", async () => {
  const page = await rig.page({ signedIn: false });
  rig.allow(page, stranger);
  await page.getByRole("heading", { name: "Sign in to Parley" }).waitFor();
  expect(await page.getByText("New chat").count()).toBe(0);
  await rig.expectAccessible(page);

  await page.getByLabel("Token").fill("parley_no_such_token_0123456789abcdefghij");
  await page.keyboard.press("Enter");
  await page.getByText("The server does not know this token.").waitFor();

  await page.getByLabel("Token").fill(rig.server.token);
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "New chat" }).waitFor();
  const [cookie, ...others] = await page.context().cookies();
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict" });
  expect(others).toEqual([]);
  const kept = await page.evaluate("document.cookie + JSON.stringify({ ...localStorage })");
  expect(kept).not.toContain(rig.server.token);
  await page.reload();
  await page.getByRole("link", { name: "New chat" }).waitFor();
});

test("the address with a bad token says so, and does not keep it", async () => {
  const page = await rig.page({ signedIn: false, path: "/?token=parley_bad" });
  rig.allow(page, stranger);
  await page.getByRole("heading", { name: "That address is not good any more" }).waitFor();
  expect(page.url()).toBe(`${rig.server.url}/`);
});

test("signing out takes the cookie back, and the page with it", async () => {
  const page = await rig.page({ path: "/settings" });
  rig.allow(page, stranger);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in to Parley" }).waitFor();
  expect(await page.context().cookies()).toEqual([]);
  await page.goto(`${rig.server.url}/settings`);
  await page.getByRole("heading", { name: "Sign in to Parley" }).waitFor();
});

test("a token that is revoked elsewhere signs its browser out", async () => {
  const { token, secret } = await rig.client.createToken({ name: "soon gone" });
  const page = await rig.page({ signedIn: false });
  rig.allow(page, stranger);
  rig.allow(page, /WebSocket connection/);
  await page.getByLabel("Token").fill(secret);
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "New chat" }).waitFor();
  await rig.client.revokeToken(token.id);
  await page.getByRole("link", { name: "New chat" }).click();
  await page.goto(`${rig.server.url}/settings`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  expect(await page.getByRole("heading", { level: 1 }).innerText()).toBe("Sign in to Parley");
});
