import { ChatBusy, ChatNotFound, InvalidState, TransitionRejected } from "../domain/errors.ts";
import type { State } from "../domain/state.ts";
import { landings, type TransitionName } from "../domain/transitions.ts";
import { assert } from "../lib/assert.ts";
import type { Bundle } from "./bundle.ts";

/** A transition: applies itself to a bundle, or throws a typed refusal. */
export type Apply<Input, Result> = (bundle: Bundle, input: Input) => Promise<Result>;

/**
 * Holds a transition to the table at both ends: the state it starts from lists it, in this variant, and the state it
 * landed in is in the cell. The first is the world's doing and a typed refusal; the second would be our bug.
 */
export function transition<Input, Result>(
  name: TransitionName,
  apply: Apply<Input, Result>,
  variantOf: (input: Input, bundle: Bundle) => string | undefined = () => undefined,
): Apply<Input, Result> {
  return async (bundle, input) => {
    await bundle.refreshState();
    const from = bundle.state;
    const variant = variantOf(input, bundle);
    const to = landings(name, from, variant);
    if (to === null) throw refusal(bundle, name, from, variant);
    const result = await apply(bundle, input);
    if (from === "N") bundle.born();
    await bundle.refreshState();
    const landed = bundle.state;
    assert(to.includes(landed), `${name} from ${from} landed in ${landed}`);
    return result;
  };
}

function refusal(
  bundle: Bundle,
  name: TransitionName,
  from: State,
  variant: string | undefined,
): Error {
  if (from === "N") return new ChatNotFound(bundle.chatId);
  if (from === "Invalid") return new InvalidState(bundle.chatId, name);
  if (name === "sendMessage" && variant === "reject" && !from.startsWith("X")) {
    return new ChatBusy(from);
  }
  return new TransitionRejected(name, from, reasonOf(name, from));
}

function reasonOf(name: TransitionName, from: State): string {
  if (from.startsWith("X")) return "the chat is archived";
  if (name === "clearContext" && from === "E1") return "queue_not_empty";
  return "not possible in this state";
}
