import { AIMessageChunk } from "@langchain/core/messages";
import { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { ChatGenerationChunk } from "@langchain/core/outputs";
import { END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ChatOpenAI } from "@langchain/openai";
import { settingsOf } from "../rig/program.ts";
import { words } from "./words.mjs";

/** The graph of LangGraph's own first pages: one node, which calls the model with the messages of the thread. */

class InProcess extends BaseChatModel {
  _llmType() {
    return "bench";
  }

  async _generate(messages, options, manager) {
    let whole = new AIMessageChunk("");
    for await (const { message } of this._streamResponseChunks(messages, options, manager)) {
      whole = whole.concat(message);
    }
    return { generations: [{ text: whole.text, message: whole }] };
  }

  async *_streamResponseChunks(_messages, { model, signal }, manager) {
    for await (const text of words(model, signal)) {
      const chunk = new ChatGenerationChunk({ text, message: new AIMessageChunk(text) });
      yield chunk;
      await manager?.handleLLMNewToken(text, undefined, undefined, undefined, undefined, { chunk });
    }
  }
}

const { provider } = settingsOf();
const configuration = { baseURL: provider };
const model =
  provider === undefined
    ? new InProcess({})
    : new ChatOpenAI({
        model: "bench",
        apiKey: "bench",
        streaming: true,
        maxRetries: 0,
        configuration,
      });

export const graph = new StateGraph(MessagesAnnotation)
  .addNode("agent", async ({ messages }, { configurable, signal }) => {
    const options = provider === undefined ? { model: configurable.said } : {};
    return { messages: [await model.invoke(messages, { ...options, signal })] };
  })
  .addEdge(START, "agent")
  .addEdge("agent", END)
  .compile();
