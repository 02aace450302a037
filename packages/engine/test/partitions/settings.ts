/** Where people are; the provider is there too. */
export const people = "people";

export const replicaAt = (index: number): string => `replica-${index}`;

export const places = [people, "database", ...[0, 1, 2].map(replicaAt)];

export interface PartitionSettings {
  /** The id of the network, which is there already. */
  readonly network: string;
  /** 0: as long as it takes to see each kind of partition. */
  readonly seconds: number;
  readonly seed: string;
  /** A module with tools of which one must not run twice, and the file that each run of them is written to. */
  readonly tools: string;
  readonly toolLog: string;
}
