import type { ToolResultPart } from "@parley/protocol";
import type { ToolSpec } from "../model-port.ts";

/** What a user said is quoted up to here. */
const quoteCharsMax = 1_000;

export function echo(question: string, files: number): string {
  const said = question.trim();
  const short =
    said.length > quoteCharsMax ? `${said.slice(0, quoteCharsMax).toWellFormed()}…` : said;
  const quote = short === "" ? "> (nothing)" : short.replace(/^/gm, "> ");
  const attached = files === 0 ? "" : `\n\nYou attached ${files} file${files === 1 ? "" : "s"}.`;
  return `You said:\n\n${quote}${attached}`;
}

export function paragraph(question: string, turns: number): string {
  const words = question.match(/\S+/g)?.length ?? 0;
  const ask = question.trim().endsWith("?");
  return [
    ask
      ? "That is a good question, and I cannot really answer it: I am Parley's **built-in demo model**. No provider key is configured, so nothing leaves this machine."
      : "I am Parley's **built-in demo model**: no provider key is configured, so nothing leaves this machine.",
    "",
    `Your message has **${words}** word${words === 1 ? "" : "s"}, and it is number **${turns}** of this chat. What I stream is real in every other way:`,
    "",
    "1. it is cut into parts, numbered, and sent to every client of this chat,",
    "2. it is checkpointed while it grows, and committed when it ends,",
    "3. you can stop it, reload the page, or restart the server in the middle.",
    "",
    "```ts",
    'const parley = "the reply goes on";',
    "```",
    "",
    "Say `help` to see what else I can do.",
  ].join("\n");
}

export function helpText(tools: readonly ToolSpec[]): string {
  const names = tools.map(({ name }) => `\`${name}\``).join(", ") || "none at the moment";
  return [
    "## What the demo model does",
    "",
    "Words in your message decide:",
    "",
    "| say | and I will |",
    "| --- | --- |",
    "| `think` | reason before I answer |",
    "| `call NAME {json}` | call a tool with these arguments; several calls run at once |",
    "| `use tool` | call the first tool that I am offered |",
    "| `fail` | fail for good; `fail 401`, `fail quota`, `fail context`, `fail filter`, `fail config` too |",
    "| `fail 429` | fail in a way that is retried; also `500`, `529`, `network`, `timeout` |",
    "| `fail once` | fail at the first attempt only; `fail 429 once` |",
    "| `cut` | break off in the middle, as a lost connection does; `cut once` |",
    "| `slow` | pause for long between sentences |",
    "| `long` | write several thousand words |",
    "| `empty` | say nothing at all |",
    "",
    `Tools that I am offered: ${names}.`,
    '`call send_email` waits for your approval, `call wait {"seconds": 10}` tells how far it is.',
    "",
    "`demo/echo` repeats exactly what you say, `demo/fast` does not wait between words.",
  ].join("\n");
}

export function resultsText(results: readonly ToolResultPart[]): string {
  const blocks = results.map(({ tool_name, output, is_error }) => {
    const text = typeof output === "string" ? output : JSON.stringify(output, null, 2);
    const verb = is_error ? "failed" : "answered";
    return `\`${tool_name}\` ${verb}:\n\n\`\`\`${typeof output === "string" ? "text" : "json"}\n${text}\n\`\`\``;
  });
  return `${blocks.join("\n\n")}\n\nThat is all that I needed.`;
}

/** Of a conversation as text, its messages under `[User]`, `[Assistant]` and so on. */
export function summary(conversation: string): string {
  const said = [...conversation.matchAll(/^\[User\b[^\n]*\]\n(.*)$/gm)].map(
    ([, line = ""]) => line,
  );
  const replies = conversation.match(/^\[Assistant\]$/gm)?.length ?? 0;
  const quoted = said.map((line) => `- ${line.slice(0, summaryQuoteCharsMax).toWellFormed()}`);
  return [
    `The demo model summarised ${said.length} messages of the user and ${replies} replies. The user said:`,
    ...quoted.slice(0, summaryQuotesMax),
    ...(quoted.length > summaryQuotesMax ? ["- …"] : []),
  ].join("\n");
}

const summaryQuoteCharsMax = 80;
const summaryQuotesMax = 10;

export function thoughts(question: string): string {
  const words = question.match(/\S+/g)?.length ?? 0;
  return [
    `The user wrote ${words} word${words === 1 ? "" : "s"} and wants to see me think.`,
    "I could answer at once. Instead I weigh what was asked, and what of it a demo model can know.",
    "Not much, it turns out; so I shall say what I am, and how to go on from here.",
  ].join(" ");
}

const sentences = [
  "A chat is a row driven by an explicit state machine.",
  "Whichever replica leases the chat calls the model, runs the tools and commits the outcome.",
  "Any client may connect to any replica and sees the same thing.",
  "A replica may die at any instant, and nothing committed is lost.",
  "The text on the screen is dropped only when something replaces it.",
  "A queued message is answered exactly once, or deleted by its user.",
  "Notifications may be lost, doubled or reordered, and nothing depends on them.",
  "Time is judged by the database, since clocks of machines differ.",
];

const sectionsOfLong = 40;
const sentencesPerSection = 8;

/** Several thousand words, the same every time. */
export function longText(): string {
  const sections = Array.from({ length: sectionsOfLong }, (_, section) => {
    const body = Array.from(
      { length: sentencesPerSection },
      (__, i) => sentences[(section * 3 + i) % sentences.length],
    );
    return `### Section ${section + 1}\n\n${body.join(" ")}`;
  });
  return `# A long reply\n\n${sections.join("\n\n")}\n\nThat was all of it.`;
}

const titleWordsMax = 6;

/** The first words of the message that a title is asked for. */
export function titleText(question: string): string {
  const message = /<message>\n(.*?)\n<\/message>/s.exec(question)?.[1] ?? question;
  const words = message.match(/[\p{L}\p{N}][\p{L}\p{N}'-]*/gu) ?? [];
  const title = words.slice(0, titleWordsMax).join(" ");
  return title.charAt(0).toUpperCase() + title.slice(1);
}
