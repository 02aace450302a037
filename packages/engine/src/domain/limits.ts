import { limits } from "@parley/protocol";

/** Where neither the client nor the deployment's settings say. */
export const { clientToolDeadlineMs, approvalDeadlineMs } = limits;

/** How long an idempotency key is kept. */
export const idempotencyKeptMs = 24 * 3_600_000;
