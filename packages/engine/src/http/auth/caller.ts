/** Who asks, and by which right: every command and stream is told. */
export interface Caller {
  readonly principalId: string;
  readonly principalName: string;
  readonly isAdmin: boolean;
  /** The token behind it, also where a cookie or a ticket was shown. */
  readonly tokenId: string;
}
