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
