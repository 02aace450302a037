import type { Part, Usage } from "@parley/protocol";
import type { Bundle } from "../../machine/bundle.ts";
import type { ModelRequest } from "../../models/model-port.ts";
import { estimatedUsage, priced, promptTokensMax, type Preamble } from "../spending/estimate.ts";
import { askedOf } from "../structured/asked.ts";
import { reserveCall, type RefusedCall, type ReservedCall } from "../spending/reserve.ts";
import type { TaskContext } from "./context.ts";
import { nextReplyModel, nextSummaryModel, recordModel } from "./routing.ts";
import { modelOf, type Transcript } from "./transcript.ts";

/** Records the attempt of the reply that comes next, with the model that it calls, and holds it to its budgets. */
export async function reserveReply(
  ctx: TaskContext,
  bundle: Bundle,
  transcript: Transcript,
): Promise<ReservedCall | RefusedCall> {
  return await reserve(ctx, bundle, transcript, nextReplyModel(ctx, bundle, transcript));
}

/** The same for the call that summarises the context: what it is given is the context, as text. */
export async function reserveSummary(
  ctx: TaskContext,
  bundle: Bundle,
  transcript: Transcript,
): Promise<ReservedCall | RefusedCall> {
  return await reserve(ctx, bundle, transcript, nextSummaryModel(ctx, bundle, transcript));
}

async function reserve(
  ctx: TaskContext,
  bundle: Bundle,
  transcript: Transcript,
  model: string,
): Promise<ReservedCall | RefusedCall> {
  await recordModel(bundle, transcript, model);
  const promptTokens =
    promptTokensMax(transcript.context, preambleOf(ctx, model)) + schemaTokens(ctx, transcript);
  const outputTokensMax = replyTokensMax(ctx, transcript, model);
  return await reserveCall(bundle, ctx.spending, model, promptTokens, outputTokensMax);
}

/** What a reply shall be is told with every call of its turn, and counted by nobody before the first. */
function schemaTokens(ctx: TaskContext, { context }: Transcript): number {
  const asked = askedOf(context, ctx.row.turn_message_id);
  // Two bytes to a token: schemas are made of signs.
  return asked === null ? 0 : Math.ceil(Buffer.byteLength(JSON.stringify(asked.format)) / 2);
}

/** What the chat, the message or the deployment asks for; else what a budget gives a reply. */
function replyTokensMax(ctx: TaskContext, transcript: Transcript, model: string): number {
  const { settings } = modelOf(ctx.row, transcript);
  const most = ctx.models.info(model)?.max_output_tokens ?? Number.POSITIVE_INFINITY;
  return Math.min(settings.max_output_tokens ?? ctx.spending.policy.outputTokensMax, most);
}

/** What holds a request to what was reserved for it. */
export function upTo(outputTokensMax: number | null): Pick<ModelRequest, "output_tokens_max"> {
  return outputTokensMax === null ? {} : { output_tokens_max: outputTokensMax };
}

/** What a call of this transcript used and cost; estimated where its provider did not say. */
export function chargedUsage(
  ctx: Pick<TaskContext, "spending" | "row" | "tools">,
  { context }: Pick<Transcript, "context">,
  model: string,
  usage: Usage | null,
  said: readonly Part[],
): Usage {
  const used = usage ?? estimatedUsage(context, preambleOf(ctx, model), said);
  return priced(ctx.spending, model, used);
}

function preambleOf({ row, tools }: Pick<TaskContext, "row" | "tools">, model: string): Preamble {
  const own = row.client_tools.map(({ name, description = "", input_schema }) => ({
    name,
    description,
    input_schema,
  }));
  return { systemPrompt: row.system_prompt, tools: [...own, ...tools.offers(model)] };
}
