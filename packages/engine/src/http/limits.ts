import { limits as protocolLimits, streamTiming } from "@parley/protocol";

/** The limits of the API. Each is a setting. */
export interface HttpLimits {
  /** Of the text and data of one message, as UTF-8. */
  readonly messageBodyBytesMax: number;
  /** Of a whole request: larger than a message, because JSON may spend six bytes on one, and tools come along. */
  readonly requestBodyBytesMax: number;
  readonly systemPromptBytesMax: number;
  readonly clientToolsMax: number;
  /** MCP servers that one chat may bring along. */
  readonly mcpServersMax: number;
  readonly labelsMax: number;
  readonly pageMessagesMax: number;
  readonly queueMessagesMax: number;
  readonly fileBytesMax: number;
  readonly filesPerChatMax: number;
  /** What one owner's files may take together. 0: any amount. */
  readonly fileBytesPerOwnerMax: number;
  /** Media types that are taken: `image/png`, `image/*`, `*`. */
  readonly fileTypes: readonly string[];
  /** How long a file is kept that no chat refers to. */
  readonly fileUnusedMs: number;
  /** How long a file is kept in any case. 0: as long as a chat refers to it. */
  readonly fileAgeMs: number;
  /** How long a signed link to a file's bytes is good. */
  readonly fileLinkMs: number;
  readonly interruptWaitMs: number;
  readonly ticketSeconds: number;
  /** How long a token may be taken for good without asking the database: a revocation takes effect within it. */
  readonly tokenCacheMs: number;
  /** How often the tokens behind open streams are looked at again. */
  readonly tokenRecheckMs: number;
  readonly pingMs: number;
  readonly frameEventsMax: number;
  readonly clientFrameBytesMax: number;
}

export const defaultHttpLimits: HttpLimits = {
  messageBodyBytesMax: protocolLimits.messageBodyBytesMax,
  requestBodyBytesMax: 4 * 1024 * 1024,
  systemPromptBytesMax: protocolLimits.systemPromptBytesMax,
  clientToolsMax: protocolLimits.clientToolsMax,
  mcpServersMax: protocolLimits.mcpServersMax,
  labelsMax: protocolLimits.labelsMax,
  pageMessagesMax: protocolLimits.pageMessagesMax,
  queueMessagesMax: protocolLimits.queueMessagesMax,
  fileBytesMax: protocolLimits.fileBytesMax,
  filesPerChatMax: protocolLimits.filesPerChatMax,
  fileBytesPerOwnerMax: 1024 ** 3,
  fileTypes: ["*"],
  fileUnusedMs: 24 * 3_600_000,
  fileAgeMs: 0,
  fileLinkMs: 600_000,
  interruptWaitMs: 10_000,
  ticketSeconds: 60,
  tokenCacheMs: 3_000,
  tokenRecheckMs: 5_000,
  pingMs: streamTiming.pingMs,
  frameEventsMax: protocolLimits.frameEventsMax,
  clientFrameBytesMax: protocolLimits.clientFrameBytesMax,
};
