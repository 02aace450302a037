/** Runs `fn` when what is ready now has been handled. Part of the runtime's seams: the simulator brings its own. */
export type NextTurn = (fn: () => void) => void;

export const nextTurn: NextTurn = (fn) => void setImmediate(fn);
