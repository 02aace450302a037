import type { SendMessage as Request } from "@parley/protocol";
import { ChatBusy, QueueFull } from "../../domain/errors.ts";
import type { MessageRow, QueueRow } from "../../domain/rows.ts";
import { insertQueued, readQueue } from "../../store/queue.ts";
import type { Bundle } from "../bundle.ts";
import { closeCalls } from "../close-open-calls.ts";
import {
  arrangeQueue,
  assertClientIdFree,
  promote,
  readBeforeEntering,
  readQueueAndCalls,
  userMessage,
  type UserMessage,
} from "../enter-history.ts";
import { transition } from "../transition.ts";
import { interruptDescendants } from "./interrupt.ts";

export interface SendMessage {
  readonly message: UserMessage;
  readonly when_busy: NonNullable<Request["when_busy"]>;
  readonly queueMessagesMax: number;
}

export interface Sent {
  /** Everything inserted into history, in order: results of closed calls, and the user's message. */
  readonly messages: MessageRow[];
  /** The message sent, where it waits. */
  readonly queued: QueueRow | null;
}

export const sendMessage = transition<SendMessage, Sent>(
  "sendMessage",
  async (bundle, input) => {
    switch (bundle.state) {
      case "W":
      case "E0":
        return await enter(bundle, input);
      case "E1":
        return await appendAndPromote(bundle, input);
      default:
        return { messages: [], queued: await wait(bundle, input) };
    }
  },
  {
    variantOf: ({ when_busy }) => when_busy,
    refuse: (from, { when_busy }) => (when_busy === "reject" ? new ChatBusy(from) : null),
  },
);

/** Nothing runs and nothing waits: straight into history. */
async function enter(bundle: Bundle, { message }: SendMessage): Promise<Sent> {
  const calls = await readBeforeEntering(bundle, message.client_id);
  const [closed, entered] = await Promise.all([
    closeCalls(bundle, calls, "cancelled"),
    bundle.insert(userMessage(message)),
  ]);
  bundle.plan({ status: "running", last_error: null, turn_message_id: entered.id });
  return { messages: closed === null ? [entered] : [closed, entered], queued: null };
}

/** The user's order is kept: the message goes behind what waits, and the head, always an older one, is next. */
async function appendAndPromote(bundle: Bundle, input: SendMessage): Promise<Sent> {
  const [[queue, calls]] = await Promise.all([
    readQueueAndCalls(bundle),
    assertClientIdFree(bundle, input.message.client_id),
  ]);
  const [head] = queue;
  if (head === undefined || queue.length > input.queueMessagesMax) {
    throw new QueueFull(input.queueMessagesMax);
  }
  // Nothing is busy that it could steer or interrupt.
  const [queued, { entered, messages }] = await Promise.all([
    insertQueued(
      bundle.atSnapshot(),
      bundle.chatId,
      { ...input.message, manner: "queue" },
      queue.length - 1,
    ),
    promote(bundle, head, calls, "cancelled"),
  ]);
  await bundle.set({ status: "running", last_error: null, turn_message_id: entered.id });
  return { messages, queued };
}

/** The chat is busy: into the queue, at its end or, to interrupt, at its head. */
async function wait(bundle: Bundle, input: SendMessage): Promise<QueueRow> {
  const { chatId } = bundle;
  const queue_length = bundle.queueLength;
  if (queue_length >= input.queueMessagesMax) throw new QueueFull(input.queueMessagesMax);
  await assertClientIdFree(bundle, input.message.client_id);
  const manner = input.when_busy === "reject" ? "queue" : input.when_busy;
  bundle.queueTouched();
  const queued = await insertQueued(
    bundle.atSnapshot(),
    chatId,
    { ...input.message, manner },
    queue_length,
  );
  if (manner !== "interrupt") return queued;
  const position = queue_length === 0 ? 0 : await moveBehindInterrupts(bundle, queued);
  await Promise.all([
    bundle.set({ status: "interrupting", hold: false, requires_action_deadline_at: null }),
    interruptDescendants(bundle.transaction, chatId),
  ]);
  return { ...queued, position };
}

/** Several that interrupt keep their order of arrival. */
async function moveBehindInterrupts(bundle: Bundle, queued: QueueRow): Promise<number> {
  const queue = await readQueue(bundle.tx, bundle.chatId);
  const others = queue.filter((row) => row.id !== queued.id);
  const behind = others.findIndex((row) => row.manner !== "interrupt");
  const position = behind === -1 ? others.length : behind;
  const ids = others.map((row) => row.id).toSpliced(position, 0, queued.id);
  await arrangeQueue(bundle, queue, ids);
  return position;
}
