import { Readable } from "node:stream";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  convertToModelMessages,
  createUIMessageStreamResponse,
  generateId,
  streamText,
  toUIMessageStream,
  UI_MESSAGE_STREAM_HEADERS,
} from "ai";
import { createClient } from "redis";
import { createResumableStreamContext } from "resumable-stream";
import { answer, settingsOf } from "../rig/program.ts";
import { bodyOf, serve } from "./serve.mjs";
import { source, words } from "./words.mjs";

/**
 * A chat server as the AI SDK's page "Chatbot Resume Streams" has it: the POST's own response is the stream, a copy of
 * it goes to resumable-stream, chats are kept by the application, here in the same Redis.
 */

const { redis, provider } = settingsOf();

const connected = async () => await createClient({ url: redis }).connect();
const store = await connected();
const context = createResumableStreamContext({
  waitUntil: null,
  publisher: await connected(),
  subscriber: await connected(),
});

const readChat = async (id) => JSON.parse((await store.get(`chat:${id}`)) ?? '{"messages":[]}');
const saveChat = async (id, chat) => void (await store.set(`chat:${id}`, JSON.stringify(chat)));

/** Chats that others can follow. */
const resumable = new Set();

const overHttp =
  provider === undefined
    ? null
    : createOpenAICompatible({ name: "bench", baseURL: provider, apiKey: "bench" });

function modelOf(name) {
  return overHttp === null ? inProcess(name) : overHttp(name);
}

const none = { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0, text: 1, reasoning: 0 };

function inProcess(modelId) {
  return {
    specificationVersion: "v4",
    provider: "bench",
    modelId,
    supportedUrls: {},
    async doStream({ abortSignal }) {
      async function* parts() {
        yield { type: "stream-start", warnings: [] };
        yield { type: "text-start", id: "0" };
        for await (const delta of words(modelId, abortSignal)) {
          yield { type: "text-delta", id: "0", delta };
        }
        yield { type: "text-end", id: "0" };
        const finishReason = { unified: "stop", raw: "stop" };
        yield { type: "finish", finishReason, usage: { inputTokens: none, outputTokens: none } };
      }
      return { stream: ReadableStream.from(parts()) };
    },
  };
}

async function post(id, request, response) {
  const { content, model } = await bodyOf(request);
  const chat = await readChat(id);
  const message = { id: generateId(), role: "user", parts: [{ type: "text", text: content }] };
  const messages = [...chat.messages, message];
  await saveChat(id, { messages, activeStreamId: null });
  const modelMessages = await convertToModelMessages(messages);
  const result = streamText({ model: modelOf(model), messages: modelMessages, maxRetries: 0 });
  const { headers, body } = createUIMessageStreamResponse({
    stream: toUIMessageStream({
      stream: result.stream,
      originalMessages: messages,
      generateMessageId: generateId,
      onEnd: async (ended) => {
        resumable.delete(id);
        await saveChat(id, { messages: ended.messages, activeStreamId: null });
      },
    }),
    async consumeSseStream({ stream }) {
      const streamId = generateId();
      await context.createNewResumableStream(streamId, () => stream);
      await saveChat(id, { messages, activeStreamId: streamId });
      resumable.add(id);
    },
  });
  send(response, headers, body);
}

async function resume(id, response) {
  const { activeStreamId } = await readChat(id);
  const stream = activeStreamId ? await context.resumeExistingStream(activeStreamId) : null;
  if (!stream) return void response.writeHead(204).end();
  send(response, Object.entries(UI_MESSAGE_STREAM_HEADERS), stream);
}

function send(response, headers, stream) {
  response.writeHead(200, Object.fromEntries(headers));
  const body = Readable.fromWeb(stream);
  body.on("error", () => response.destroy());
  response.on("error", () => {});
  // A reader that leaves does not end the reply: the copy for others goes on.
  response.on("close", () => body.unpipe(response).resume());
  body.pipe(response);
}

const url = await serve(async (request, response) => {
  const [, id] = request.url.split("/");
  if (request.method === "POST") await post(id, request, response);
  else await resume(id, response);
});

answer({ url: () => url, resumable: () => resumable.size, ...source });
