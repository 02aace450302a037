/** Limits that both sides know (DESIGN, section 14). Sizes in bytes of UTF-8 unless the name says otherwise. */
export const limits = {
  messageBodyBytesMax: 256 * 1024,
  systemPromptBytesMax: 64 * 1024,
  clientToolsMax: 250,
  /** MCP servers that one chat may bring along. */
  mcpServersMax: 16,
  mcpServersBytesMax: 64 * 1024,
  mcpHeadersMax: 20,
  mcpSecretCharsMax: 8_192,
  mcpPatternsMax: 256,
  urlCharsMax: 2_048,
  labelsMax: 50,
  labelKeyCharsMax: 64,
  labelValueCharsMax: 256,
  titleCharsMax: 200,
  idempotencyKeyCharsMax: 200,
  pageMessagesMax: 200,
  pageChatsMax: 100,
  frameEventsMax: 256,
  clientFrameBytesMax: 4 * 1024 * 1024,
  queueMessagesMax: 20,
  modelSettingsBytesMax: 8 * 1024,
  fallbackModelsMax: 5,
  fileBytesMax: 10 * 1024 * 1024,
  filesPerChatMax: 50,
  fileNameCharsMax: 255,
  pageFilesMax: 100,
  /** How long a client tool may take when it does not say: ten minutes. */
  clientToolDeadlineMs: 600_000,
  /** How long an approval may stay undecided when the tool does not say: people sleep, so a day. */
  approvalDeadlineMs: 24 * 3_600_000,
} as const;
