/** What the rest of the replica says of itself to `/readyz`. */
export interface HealthPort {
  /** The worker's lease: `held`, `lost` (nothing can be taken until it is back), or `none` on replicas without one. */
  worker(): "held" | "lost" | "none";
}

/** Metrics in the text format of Prometheus. */
export interface MetricsPort {
  readonly contentType: string;
  text(): Promise<string>;
}

/** Told of every request but streams. Must not throw. */
export interface RequestObserver {
  requestEnded(request: {
    method: string;
    /** The route's pattern; `none` where no route was found. */
    route: string;
    status: number;
    durationMs: number;
  }): void;
}
