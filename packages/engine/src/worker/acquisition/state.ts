import type { ChatRow } from "../../domain/rows.ts";
import type { Random } from "../../lib/random.ts";

/** Whether the chat needs its model's provider here: all but what must come to an end, which anybody can bring about. */
export function needsModel(chat: Pick<ChatRow, "status">): boolean {
  return chat.status !== "interrupting" && chat.status !== "requires_action";
}

export interface Room {
  /** The worker is alive and takes work. */
  readonly accepting: boolean;
  readonly free: number;
  /** Others have been waiting for room, and were there first. */
  readonly othersWait: boolean;
  readonly hasModel: boolean;
  /** Its turn only waited for somebody outside, and needs no leave to go on. */
  readonly resumes: boolean;
}

/** Whether a chat that a bundle has just made runnable is taken with that bundle. */
export function decideReserve(chat: Pick<ChatRow, "status">, room: Room): boolean {
  if (!room.accepting) return false;
  if (!needsModel(chat)) return true;
  return room.hasModel && (room.resumes || (room.free > 0 && !room.othersWait));
}

/** A chat that resumes needs no leave: there may be more working than there is capacity. */
export function freeOf(capacity: number, working: number): number {
  return Math.max(0, capacity - working);
}

/** Between 80 and 120 percent: replicas that were started together do not look together. */
export function jittered(ms: number, random: Pick<Random, "float">): number {
  return ms * (0.8 + 0.4 * random.float());
}

/** Owners remembered: with more of them waiting than this, the order among those is by age alone. */
const servedMax = 200;

/** Whose turn it was last: one owner with a thousand chats does not keep the others waiting, pass after pass. */
export class Served {
  readonly #owners = new Set<string>();

  add(ownerId: string): void {
    this.#owners.delete(ownerId);
    this.#owners.add(ownerId);
    if (this.#owners.size <= servedMax) return;
    for (const oldest of this.#owners) {
      this.#owners.delete(oldest);
      return;
    }
  }

  /** The last one last. */
  list(): string[] {
    return [...this.#owners];
  }
}
