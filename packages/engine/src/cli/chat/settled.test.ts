import { applyEvents, emptyTranscript } from "@parley/client";
import type { ChatEvent, QueuedMessage } from "@parley/protocol";
import { expect, it } from "vitest";
import { said, status } from "../../../../client/test/events.ts";
import { interruptMeaning } from "./interrupt.ts";
import { follow, isSettled, type Sent } from "./settled.ts";

const sent: Sent = { clientId: "c", messageId: null, queued: false };
const question = said(4, 4, { role: "user", client_id: "c" });
const queue = (...ids: string[]): ChatEvent => ({
  type: "queue_update",
  data: { queue: ids.map((client_id) => ({ client_id }) as QueuedMessage) },
});

/** Whether it is settled after each of the steps. */
function after(from: Sent, ...steps: ChatEvent[][]) {
  let t = emptyTranscript;
  let now = from;
  return steps.map((events) => {
    t = applyEvents(t, events);
    now = follow(now, t);
    return isSettled(now, t);
  });
}

it("a message is settled when its turn is over, not by an older one", () => {
  const steps = [
    [status("waiting", 2)],
    [question],
    [status("running", 4)],
    [status("waiting", 4)],
  ];
  expect(after({ ...sent, messageId: 4 }, ...steps)).toEqual([false, false, false, true]);
  expect(after(sent, [question, status("running", 4)], [status("error", 4)])).toEqual([
    false,
    true,
  ]);
});

it("a message that waits is settled after its own turn", () => {
  const steps = [
    [status("running", 2), queue("c")],
    [question, queue(), status("running", 4)],
    [status("waiting", 4)],
  ];
  expect(after(sent, ...steps)).toEqual([false, false, true]);
});

it("a message that is taken out of the queue is settled", () => {
  expect(after(sent, [status("running", 2), queue("c")], [queue(), status("waiting", 2)])).toEqual([
    false,
    true,
  ]);
});

it("a message that steered is settled with the turn it steered", () => {
  const steps = [[status("running", 2)], [question], [said(5, 5)], [status("waiting", 2)]];
  expect(after(sent, ...steps)).toEqual([false, false, false, true]);
});

it("Ctrl-C stops the model, leaves when it is idle or pressed twice within 2 s", () => {
  expect(interruptMeaning(true, 0, null)).toBe("stop");
  expect(interruptMeaning(true, 1_999, 0)).toBe("leave");
  expect(interruptMeaning(true, 2_000, 0)).toBe("stop");
  expect(interruptMeaning(false, 0, null)).toBe("leave");
});
