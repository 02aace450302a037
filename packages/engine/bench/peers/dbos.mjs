import { randomUUID } from "node:crypto";
import { DBOS } from "@dbos-inc/dbos-sdk";
import { answer, settingsOf } from "../rig/program.ts";
import { bodyOf, eventStream, serve } from "./serve.mjs";
import { source, words } from "./words.mjs";
import { wordsOf } from "./provider-words.mjs";

/**
 * A chat server on DBOS: a turn is a workflow, the model's call is a step that writes to the workflow's stream, and
 * any process reads that stream from PostgreSQL. History is kept in workflows' inputs and outputs alone.
 */

const { databaseUrl, executor, provider } = settingsOf();
DBOS.setConfig({
  name: "bench",
  systemDatabaseUrl: databaseUrl,
  executorID: executor,
  applicationVersion: "bench",
  runAdminServer: false,
  logLevel: "error",
});

const turn = DBOS.registerWorkflow(
  async (content, model) => {
    const said = await DBOS.runStep(
      async () => {
        let text = "";
        const pieces = provider === undefined ? words(model) : wordsOf(provider, content);
        for await (const delta of pieces) {
          text += delta;
          await DBOS.writeStream("words", { delta });
        }
        return text;
      },
      { name: "model" },
    );
    await DBOS.closeStream("words");
    return said;
  },
  { name: "turn" },
);
await DBOS.launch();

async function follow(workflowId, offset, response) {
  response.writeHead(200, eventStream);
  response.flushHeaders();
  let left = false;
  response.on("close", () => (left = true));
  for await (const value of DBOS.readStream(workflowId, "words", { offset })) {
    if (left) return;
    response.write(`data: ${JSON.stringify(value)}\n\n`);
  }
  response.end();
}

const url = await serve(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://bench");
  const [, action, id] = pathname.split("/");
  if (request.method === "GET") {
    return await follow(id, Number(searchParams.get("offset") ?? 0), response);
  }
  const { content, model } = await bodyOf(request);
  const workflowID = randomUUID();
  await DBOS.startWorkflow(turn, { workflowID })(content, model);
  if (action === "chat") return await follow(workflowID, 0, response);
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ id: workflowID }));
});

answer({ url: () => url, ...source });
