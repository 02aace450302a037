/** Milliseconds of the machine's monotonic clock: the same in every process. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks again every few milliseconds. @throws Error when `msMax` is over. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  msMax = 60_000,
): Promise<void> {
  const end = nowMs() + msMax;
  /* oxlint-disable no-await-in-loop */
  while (!(await isSo())) {
    if (nowMs() > end) throw new Error(`not within ${msMax} ms: ${what}`);
    await sleep(5);
  }
  /* oxlint-enable no-await-in-loop */
}
