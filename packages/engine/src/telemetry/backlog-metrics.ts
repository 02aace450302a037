import { Gauge, type Registry } from "prom-client";

/** The chats of a deployment that have something to do (store/backlog.ts has this shape). */
export interface BacklogCounts {
  readonly waiting: Readonly<Record<string, number>>;
  readonly slots: Readonly<Record<string, number>>;
}

/** One read for each page of metrics; while it cannot be made, the page says nothing about it, and comes all the same. */
export function backlogMetrics(registry: Registry, read: () => Promise<BacklogCounts>): void {
  let reading: Promise<BacklogCounts> | null = null;
  const gauge = (
    name: string,
    help: string,
    label: string,
    of: (counts: BacklogCounts) => Readonly<Record<string, number>>,
  ): void => {
    new Gauge({
      name: `parley_${name}`,
      help,
      labelNames: [label],
      registers: [registry],
      async collect() {
        this.reset();
        try {
          const counts = await (reading ??= read().finally(() => (reading = null)));
          for (const [value, n] of Object.entries(of(counts))) this.set({ [label]: value }, n);
        } catch {
          // The database is away, which the page shows elsewhere.
        }
      },
    });
  };
  gauge(
    "chats_waiting",
    "Chats of the whole deployment that could run and do not, by reason.",
    "reason",
    ({ waiting }) => waiting,
  );
  gauge(
    "slots",
    "Chats of the whole deployment with a step in flight, by kind.",
    "kind",
    ({ slots }) => slots,
  );
}
