import { describe, expect, it } from "vitest";
import { seededRandom } from "../lib/random.ts";
import { decideRetry, retryDefaults } from "./retry-policy.ts";

const most = { float: () => 1 };
const least = { float: () => 0 };
const server = { kind: "server", retryable: true } as const;

describe("decideRetry", () => {
  it("doubles from 1 s to 60 s", () => {
    const delays = [1, 2, 3, 4, 5, 6, 7, 8].map((attempt) => {
      const decision = decideRetry(attempt, server, most);
      return decision.retry ? decision.delayMs : null;
    });
    expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  });

  it("draws from the whole range", () => {
    const random = seededRandom("jitter");
    const delays = Array.from({ length: 200 }, () => decideRetry(4, server, random));
    const ms = delays.map((decision) => (decision.retry ? decision.delayMs : -1));
    expect(Math.min(...ms)).toBeLessThan(800);
    expect(Math.max(...ms)).toBeGreaterThan(7_200);
    expect(Math.max(...ms)).toBeLessThanOrEqual(8_000);
  });

  it("waits at least as long as the provider asks", () => {
    const failed = { ...server, retry_after_ms: 90_000 };
    expect(decideRetry(1, failed, most)).toEqual({ retry: true, delayMs: 90_000 });
    expect(decideRetry(4, { ...server, retry_after_ms: 10 }, most)).toEqual({
      retry: true,
      delayMs: 8_000,
    });
    expect(decideRetry(1, failed, least)).toEqual({ retry: true, delayMs: 90_000 });
  });

  it("ends after the last attempt, and at once for what cannot be mended", () => {
    expect(decideRetry(retryDefaults.attemptsMax - 1, server, least).retry).toBe(true);
    expect(decideRetry(retryDefaults.attemptsMax, server, least).retry).toBe(false);
    expect(decideRetry(1, { kind: "auth", retryable: false }, least).retry).toBe(false);
  });

  it("tries an empty reply twice more", () => {
    const empty = { kind: "empty_response", retryable: true } as const;
    expect([1, 2, 3].map((attempt) => decideRetry(attempt, empty, least).retry)).toEqual([
      true,
      true,
      false,
    ]);
  });
});
