import { expect, it } from "vitest";
import { helpText, parseLine } from "./commands.ts";

it.each([
  ["", { name: "nothing" }],
  ["  hello /there", { name: "say", text: "  hello /there" }],
  ["//etc", { name: "say", text: "/etc" }],
  ["/queue", { name: "queue" }],
  ["/usage", { name: "usage" }],
  ["/edit 2 new  text", { name: "edit", target: 2, text: "new  text" }],
  ["/edit last again", { name: "edit", target: "last", text: "again" }],
  ["/delete 3", { name: "delete", at: 3 }],
  ["/promote 1", { name: "promote", at: 1 }],
  ["/steer left", { name: "steer", text: "left" }],
  ["/model", { name: "model", model: null }],
  ["/model demo/echo", { name: "model", model: "demo/echo" }],
  ["/new", { name: "new", text: null }],
  ["/new hello there", { name: "new", text: "hello there" }],
  ["/open 7", { name: "open", chat: "7" }],
  ["/attach", { name: "attach", path: null }],
  ["/attach a b.png", { name: "attach", path: "a b.png" }],
  ["/attach 'a b.png' ", { name: "attach", path: "a b.png" }],
  ["/title A title", { name: "title", title: "A title" }],
  ["/history", { name: "history", count: 20 }],
  ["/history 3", { name: "history", count: 3 }],
  ['/tool t {"a": [1]}', { name: "tool", callId: "t", output: { a: [1] } }],
])("%j is %j", (line, command) => {
  expect(parseLine(line)).toEqual(command);
});

it.each(["/edit 0 x", "/edit 1", "/delete x", "/promote", "/steer", "/open", "/title", "/nope"])(
  "%j is refused",
  (line) => {
    expect(parseLine(line).name).toBe("bad");
  },
);

it("a result that is no JSON says so", () => {
  expect(parseLine("/tool t yes")).toMatchObject({
    name: "bad",
    text: expect.stringContaining("quotes"),
  });
});

it("help names every command", () => {
  for (const [, name] of helpText.matchAll(/^ {2}\/(\w+)/gm)) {
    expect(JSON.stringify(parseLine(`/${name}`))).not.toContain("there is no");
  }
});
