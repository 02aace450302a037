import { runChat } from "../src/cli/chat/run-chat.ts";

/**
 * One terminal of the demo: `parley chat` as a person has it, prompt and colours included, in a process of its own. Its
 * keyboard and its screen are pipes here, so that the demo can type and show it beside others.
 */
const [url = "", chatId] = process.argv.slice(2);

process.exitCode = await runChat({
  baseUrl: url,
  token: process.env["PARLEY_TOKEN"] ?? "",
  chatId,
  input: process.stdin,
  output: process.stdout,
  errorOutput: process.stderr,
  isTTY: true,
});
