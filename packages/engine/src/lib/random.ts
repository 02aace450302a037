import { randomFillSync } from "node:crypto";
import type { Clock } from "./clock.ts";

/** The only door to chance and new ids. */
export interface Random {
  /** A version 7 UUID. Ids from one source sort in the order in which they were made. */
  uuid(): string;
  /** Uniform in [0, 1). */
  float(): number;
  bytes(n: number): Uint8Array;
}

/** Cryptographically strong; fit for tokens. */
export function systemRandom(clock: Pick<Clock, "now">): Random {
  const bytes = pooledBytes();
  return {
    uuid: uuidSource(clock, bytes),
    float() {
      const b = bytes(7);
      return bits53(b);
    },
    bytes,
  };
}

/** Asked of the system at once, for many ids: a call costs more than its bytes. */
const poolBytes = 4_096;

function pooledBytes(): (n: number) => Uint8Array {
  const pool = new Uint8Array(poolBytes);
  let used = poolBytes;
  return (n) => {
    if (n > poolBytes) return randomFillSync(new Uint8Array(n));
    if (used + n > poolBytes) {
      randomFillSync(pool);
      used = 0;
    }
    const given = pool.slice(used, used + n);
    // Nothing that was given out, a token say, stays here.
    pool.fill(0, used, used + n);
    used += n;
    return given;
  };
}

/** The same sequence for the same seed and clock. For tests and the simulator only: it is predictable. */
export function seededRandom(
  seed: number | string,
  clock: Pick<Clock, "now"> = { now: () => Date.UTC(2026, 0, 1) },
): Random {
  const next = sfc32(seedWords(String(seed)));
  const bytes = (n: number): Uint8Array => {
    const out = new Uint8Array(n);
    for (let i = 0; i < n; i++) out[i] = next() >>> 24;
    return out;
  };
  return { uuid: uuidSource(clock, bytes), float: () => bits53(bytes(7)), bytes };
}

function bits53(b: Uint8Array): number {
  let value = (b[0] ?? 0) & 0x1f;
  for (let i = 1; i < 7; i++) value = value * 256 + (b[i] ?? 0);
  return value / 2 ** 53;
}

/**
 * RFC 9562, method 1: the 12 bits after the time are a counter, so that ids made within one millisecond keep
 * their order. It starts in the lower half at random; when it runs over, or the clock goes back, time is borrowed.
 */
function uuidSource(clock: Pick<Clock, "now">, bytes: (n: number) => Uint8Array): () => string {
  let lastMs = -1;
  let counter = 0;
  return () => {
    const b = bytes(16);
    const now = clock.now();
    if (now > lastMs) {
      lastMs = now;
      counter = (((b[6] ?? 0) << 8) | (b[7] ?? 0)) & 0x7ff;
    } else if (++counter > 0xfff) {
      lastMs += 1;
      counter = 0;
    }
    let ms = lastMs;
    for (let i = 5; i >= 0; i--) {
      b[i] = ms % 256;
      ms = Math.floor(ms / 256);
    }
    b[6] = 0x70 | (counter >> 8);
    b[7] = counter & 0xff;
    b[8] = 0x80 | ((b[8] ?? 0) & 0x3f);
    const hex = Buffer.from(b.buffer, b.byteOffset, 16).toString("hex");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
}

type Words = [number, number, number, number];

/** FNV-1a with a different basis per word: any text makes a usable seed. */
function seedWords(seed: string): Words {
  const word = (basis: number): number => {
    let h = basis;
    for (let i = 0; i < seed.length; i++) h = Math.imul(h ^ seed.charCodeAt(i), 0x01000193);
    return h >>> 0;
  };
  return [word(0x811c9dc5), word(0x9e3779b9), word(0x85ebca6b), 1];
}

/** Chris Doty-Humphrey's sfc32, public domain: small, fast, passes PractRand. */
function sfc32([a, b, c, d]: Words): () => number {
  const next = (): number => {
    const t = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    c |= 0;
    return t >>> 0;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}
