import { Pacer, stamped } from "../rig/pace.ts";

/**
 * What the models of a peer say, from within its own process, as Parley's do (programs/models.ts): "short" answers at
 * once, "paced" speaks when it is told to.
 */

const pacer = new Pacer();
const speaking = new Set();

/** Pieces of text, in the order in which they were said; ends with the reply. */
export async function* words(model, signal) {
  if (model !== "paced") {
    for (let i = 0; i < 3; i++) yield stamped();
    return;
  }
  let waiting = [];
  let wake = () => {};
  let ended = false;
  const speaker = {
    say(text) {
      waiting.push(text);
      wake();
    },
    // Who is behind drops the rest: the next round begins at once for everybody.
    end() {
      ended = true;
      waiting = [];
      wake();
    },
  };
  signal?.addEventListener("abort", speaker.end);
  speaking.add(speaker);
  try {
    while (!ended) {
      if (waiting.length === 0) {
        await new Promise((resolve) => (wake = resolve));
        continue;
      }
      const ready = waiting;
      waiting = [];
      for (const text of ready) {
        if (ended) return;
        yield text;
      }
    }
  } finally {
    speaking.delete(speaker);
    signal?.removeEventListener("abort", speaker.end);
  }
}

/** What the rig asks of a process that has models. */
export const source = {
  speaking: () => speaking.size,
  start: ({ gapMs }) =>
    pacer.start(
      gapMs,
      [...speaking].map((speaker) => speaker.say),
    ),
  pause: () => pacer.stop(),
  say(text) {
    for (const speaker of speaking) speaker.say(stamped(text));
  },
  stop() {
    pacer.stop();
    for (const speaker of [...speaking]) speaker.end();
  },
};
