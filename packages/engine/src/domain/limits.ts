/** How long a client tool may take when it does not say: ten minutes. */
export const clientToolDeadlineMs = 600_000;

/** How long an approval may stay undecided when the tool does not say: people sleep, so a day. */
export const approvalDeadlineMs = 24 * 3_600_000;

/** How long an idempotency key is kept. */
export const idempotencyKeptMs = 24 * 3_600_000;
