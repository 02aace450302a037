import { expect, test } from "vitest";
import { Conversation, Watched } from "./conversation.ts";
import { useRig, type PageOptions } from "./rig.ts";

const rig = useRig();

async function open(options: PageOptions = {}): Promise<Conversation> {
  return new Conversation(await rig.page(options));
}

const demoAnswer = /built-in demo model/;

test("a message is shown at once, its reply as it is generated, and text on the screen only grows", async () => {
  const chat = await open();
  await chat.begin("think about this");
  await chat.sees("think about this");
  await chat.replies.first().waitFor();
  const watched = await Watched.start(chat.page);
  await chat.sees("Thinking…");
  await chat.sees(/Say help/);
  await chat.settled();
  expect((await watched.texts()).length).toBeGreaterThan(10);
  expect(await watched.lost()).toBeLessThan(20);
  expect(await chat.replies.count()).toBe(1);
});

test("a reload in mid-stream goes on where it was, once", async () => {
  const chat = await open();
  await chat.begin("long");
  await chat.sees("Section 1");
  await chat.page.reload();
  await chat.sees("Section 1");
  await chat.sees("Section 3");
  await chat.stop();
  await chat.sees("Stopped. What was said is kept.");
  expect(await chat.replies.count()).toBe(1);
  expect(await chat.log.getByRole("heading", { name: "Section 1", exact: true }).count()).toBe(1);
});

test("two tabs show the same", async () => {
  const one = await open();
  const id = await one.begin("long");
  const two = await open({ beside: one.page, path: `/chats/${id}` });
  await two.sees("Section 2");
  await two.stop();
  const kept = "Stopped. What was said is kept.";
  await Promise.all([one.sees(kept), two.sees(kept)]);
  expect(await two.replies.allInnerTexts()).toEqual(await one.replies.allInnerTexts());
  await one.say("and now?");
  await two.sees("and now?");
  await two.sees(demoAnswer);
});

test("Stop keeps what was said, at once", async () => {
  const chat = await open();
  await chat.begin("long");
  await chat.sees("Section 2");
  const before = await chat.replies.first().innerText();
  await chat.composer.press("Escape");
  await chat.sees("Stopped. What was said is kept.");
  const after = await chat.replies.first().innerText();
  expect(after.startsWith(before.slice(0, -200))).toBe(true);
  await chat.settled();
});

test("the queue can be edited, moved, sent at once and emptied", async () => {
  const chat = await open();
  await chat.begin("long");
  await chat.sees("Section 1");
  for (const text of ["first", "second", "third"]) {
    await chat.say(text);
    await chat.queue.getByText(text, { exact: true }).waitFor();
  }
  const items = chat.queue.getByRole("listitem");
  const texts = async (): Promise<string[]> =>
    (await items.allInnerTexts()).map((text) => text.split("\n")[0] ?? "");
  await expect.poll(texts).toEqual(["first", "second", "third"]);

  await items.nth(1).getByRole("button", { name: "Edit" }).click();
  await chat.queue.getByRole("textbox", { name: "Edit message" }).fill("second, better");
  await chat.page.keyboard.press("Enter");
  await chat.queue.getByText("second, better").waitFor();

  // By the keyboard: take it, move it up twice, put it down.
  await items.nth(2).getByRole("button", { name: /^Move/ }).focus();
  for (const key of ["Space", "ArrowUp", "ArrowUp", "Space"]) {
    await chat.page.keyboard.press(key);
    // The list follows each key within a frame or two.
    await chat.page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
    );
  }
  await expect.poll(texts).toEqual(["third", "first", "second, better"]);
  const { queue } = await rig.client.listMessages(chat.page.url().split("/").at(-1) ?? "");
  await expect
    .poll(async () => {
      const now = await rig.client.listMessages(queue[0]?.chat_id ?? "");
      return now.queue.map(({ parts }) => (parts[0]?.type === "text" ? parts[0].text : ""));
    })
    .toEqual(["third", "first", "second, better"]);

  await items.nth(1).getByRole("button", { name: "Delete" }).click();
  await chat.queue.getByText("first", { exact: true }).waitFor({ state: "detached" });
  await items.nth(1).getByRole("button", { name: "Send now" }).click();
  // It stops the long reply, which is kept, and is answered next.
  await chat.sees("Stopped. What was said is kept.");
  await chat.sees("second, better");
  await chat.settled();
  await chat.sees("third");
  expect(await chat.queue.count()).toBe(0);
});

test("a message steers the turn that runs", async () => {
  const chat = await open();
  await chat.begin('call wait {"seconds": 4}');
  await chat.sees(/waited 1/);
  await chat.whileBusy("Steer");
  await chat.say("and be brief");
  await chat.queue.getByText("Into this turn").waitFor();
  await chat.sees("That is all that I needed.").catch(() => undefined);
  await chat.settled();
  const { messages } = await rig.client.listMessages(chat.page.url().split("/").at(-1) ?? "");
  // Said between the tool's result and what follows: one turn.
  expect(messages.map(({ role }) => role).slice(0, 4)).toEqual([
    "user",
    "assistant",
    "tool",
    "user",
  ]);
  await chat.whileBusy("Queue").catch(() => undefined);
});

test("a message that interrupts takes the place of what runs", async () => {
  const chat = await open();
  await chat.begin("long");
  await chat.sees("Section 1");
  await chat.whileBusy("Interrupt");
  await chat.say("help");
  await chat.sees("Stopped. What was said is kept.");
  await chat.sees("What the demo model does");
  await chat.settled();
});

test("an edited message is answered anew, and what was there before can be seen and sent again", async () => {
  const chat = await open();
  await chat.begin("the first wording");
  await chat.sees(/number 1 of this chat/);
  await chat.settled();
  await chat.log.getByText("the first wording").first().hover();
  await chat.log.getByRole("button", { name: "Edit" }).first().click();
  const field = chat.page.getByRole("textbox", { name: "Edit message" });
  await field.fill("the second wording");
  await field.press("Enter");
  await field.waitFor({ state: "detached" });
  await chat.sees("the second wording");
  await chat.settled();
  expect(await chat.log.getByText("the first wording").count()).toBe(0);

  await chat.log.getByRole("button", { name: "Edited" }).click();
  const dialog = chat.page.getByRole("dialog", { name: "Before the edit" });
  await dialog.getByText("the first wording").first().waitFor();
  await dialog.getByText(demoAnswer).waitFor();
  await dialog.getByRole("button", { name: "Send this version again" }).click();
  await chat.sees("the first wording");
  await chat.settled();
});

test("a fork goes on by itself", async () => {
  const chat = await open();
  const id = await chat.begin("remember the number seven");
  await chat.settled();
  await chat.replies.last().hover();
  await chat.log.getByRole("button", { name: "Fork from here" }).click();
  await chat.page.waitForURL((url) => !url.pathname.endsWith(id));
  await chat.sees("remember the number seven");
  await chat.say("only here");
  await chat.sees(/number 2 of this chat/);
  const { messages } = await rig.client.listMessages(id);
  expect(messages).toHaveLength(2);
});

test("a tool that needs approval runs when it is approved, and not when it is denied", async () => {
  const chat = await open();
  await chat.begin('call send_email {"to": "ada@example.com", "subject": "Hi"}');
  const approval = chat.page.getByRole("region", { name: "Approval of send_email" });
  await approval.getByText("ada@example.com").waitFor();
  await rig.expectAccessible(chat.page);
  await approval.getByRole("button", { name: "Approve" }).click();
  await chat.sees("That is all that I needed.");
  await chat.sees("pretended");

  await chat.say("call send_email");
  await approval.getByRole("button", { name: "Deny" }).click();
  await approval.getByRole("textbox", { name: "Reason" }).fill("not today");
  await approval.getByRole("button", { name: "Deny" }).click();
  await chat.sees(/denied: not today/);
  await chat.settled();
});

test("a tool that a client runs waits for its result, with the time that is left", async () => {
  const { chat: made } = await rig.client.createChat({
    content: 'call where_am_i {"precise": true}',
    client_tools: [{ name: "where_am_i", input_schema: { type: "object" }, deadline_seconds: 300 }],
  });
  const chat = await open({ path: `/chats/${made.id}` });
  const request = chat.page.getByRole("region", { name: "Result of where_am_i" });
  await request.getByText(/4:\d\d/).waitFor();
  await request.getByRole("textbox").fill('{"city": "Turin"}');
  await request.getByRole("button", { name: "Submit" }).click();
  await chat.sees("Turin");
  await chat.settled();
});

test("an image is attached by paste and shown with the message", async () => {
  const chat = await open();
  await chat.composer.waitFor();
  await chat.composer.evaluate((area) => {
    const png =
      "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEklEQVR4nGP4z8CAB+GTG8HSALfKY52fTcuYAAAAAElFTkSuQmCC";
    const bytes = Uint8Array.from(atob(png), (char) => char.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], "red.png", { type: "image/png" }));
    area.dispatchEvent(
      new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }),
    );
  });
  await chat.page
    .getByRole("list", { name: "Attachments" })
    .getByText("red.png", { exact: true })
    .waitFor();
  await chat.begin("what is this?");
  const image = chat.log.getByRole("img", { name: "red.png" });
  await image.waitFor();
  await expect
    .poll(() => image.evaluate((element) => (element as HTMLImageElement).naturalWidth))
    .toBe(10);
  await chat.sees("You attached 1 file.");
});

test("a hostile message stays text", async () => {
  const hostile = [
    "<script>window.hacked = 1</script>",
    '<img src="https://evil.invalid/x.png" onerror="window.hacked = 1">',
    "![tracker](https://evil.invalid/pixel.png)",
    "[click](javascript:alert(1)) [data](data:text/html,<script>alert(1)</script>)",
    '<a href="https://evil.invalid" onclick="window.hacked = 1">here</a>',
    '<iframe src="https://evil.invalid"></iframe><style>body { display: none }</style>',
    "```html\n<script>window.hacked = 1</script>\n```",
    "$$\\href{javascript:alert(1)}{x}$$",
    `\`\`\`\n${"x".repeat(200_000)}\n\`\`\``,
  ].join("\n\n");
  const { chat: made } = await rig.client.createChat({ content: hostile, model: "demo/echo" });
  const chat = await open({ path: `/chats/${made.id}` });
  await chat.settled();
  await chat.replies.getByText("window.hacked = 1").first().waitFor();
  const found = await chat.page.evaluate(() => ({
    hacked: "hacked" in window,
    scripts: document.querySelectorAll("[role=log] script, [role=log] iframe, [role=log] style")
      .length,
    images: document.querySelectorAll("[role=log] img").length,
    links: [...document.querySelectorAll<HTMLAnchorElement>("[role=log] article a")].map(
      ({ href }) => href.replace(/:.*/s, ""),
    ),
  }));
  expect(found).toMatchObject({ hacked: false, scripts: 0, images: 0 });
  expect(new Set(found.links)).toEqual(new Set(["https"]));
});

test.for(["light", "dark"] as const)("a conversation is accessible in %s", async (theme) => {
  const chat = await open({ theme });
  await chat.begin("help");
  await chat.settled();
  await chat.say("think `code` | table |");
  await chat.settled();
  await chat.log.getByText("Thoughts").first().click();
  await rig.expectAccessible(chat.page);
  await chat.say("long");
  await chat.sees("Section 1");
  await chat.say("next");
  await chat.queue.getByText("next").waitFor();
  await rig.expectAccessible(chat.page);
  await chat.stop();
});

test("a failed turn says why and what to do; trying again goes on", async () => {
  const chat = await open();
  await chat.begin("fail quota");
  await chat.sees("The provider's quota is used up.");
  await rig.expectAccessible(chat.page);
  await chat.log.getByRole("button", { name: "Try again" }).click();
  await chat.sees("The provider's quota is used up.");
  await chat.say("fail 429 once");
  await chat.sees(/Trying again in \d+ s/);
  await chat.sees(demoAnswer);
});
