import { ChatNotFound, InvalidState, TransitionRejected } from "../domain/errors.ts";
import type { State } from "../domain/state.ts";
import { landings, type TransitionName } from "../domain/transitions.ts";
import { assert } from "../lib/assert.ts";
import type { Bundle } from "./bundle.ts";

/** A transition: applies itself to a bundle, or throws a typed refusal. */
export type Apply<Input, Result> = (bundle: Bundle, input: Input) => Promise<Result>;

export interface TransitionOptions<Input> {
  readonly variantOf?: (input: Input, bundle: Bundle) => string | undefined;
  /** A better answer than `TransitionRejected` for a state that the table does not list; null: there is none. */
  readonly refuse?: (from: State, input: Input) => Error | null;
}

/**
 * Holds a transition to the table at both ends: the state it starts from lists it, in this variant, and the state it
 * landed in is in the cell. The first is the world's doing and a typed refusal; the second would be our bug.
 */
export function transition<Input, Result>(
  name: TransitionName,
  apply: Apply<Input, Result>,
  { variantOf, refuse }: TransitionOptions<Input> = {},
): Apply<Input, Result> {
  return async (bundle, input) => {
    await bundle.refreshState();
    const from = bundle.state;
    const to = landings(name, from, variantOf?.(input, bundle));
    if (to === null) {
      if (from === "N") throw new ChatNotFound(bundle.chatId);
      if (from === "Invalid") throw new InvalidState(bundle.chatId, name);
      if (from.startsWith("X")) throw new TransitionRejected(name, from, "the chat is archived");
      throw refuse?.(from, input) ?? new TransitionRejected(name, from, "not in this state");
    }
    const result = await apply(bundle, input);
    if (from === "N") bundle.born();
    await bundle.refreshState();
    const landed = bundle.state;
    assert(to.includes(landed), `${name} from ${from} landed in ${landed}`);
    return result;
  };
}
