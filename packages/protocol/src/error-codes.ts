/**
 * Every error code of the API with its HTTP status. Codes are stable: clients may switch on them. In a file of its own, so
 * that browsers that need no more are not sent the schemas.
 */
export const errorStatuses = {
  malformed_json: 400,
  invalid_request: 400,
  invalid_cursor: 400,
  unknown_model: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  chat_not_found: 404,
  message_not_found: 404,
  queued_message_not_found: 404,
  file_not_found: 404,
  method_not_allowed: 405,
  not_acceptable: 406,
  chat_busy: 409,
  invalid_state: 409,
  transition_rejected: 409,
  queue_full: 409,
  tool_result_mismatch: 409,
  nothing_to_compact: 409,
  nothing_to_clear: 409,
  nothing_to_retry: 409,
  not_family_root: 409,
  idempotency_key_reused: 409,
  too_many_files: 409,
  file_space_used_up: 409,
  file_expired: 410,
  payload_too_large: 413,
  unsupported_media_type: 415,
  file_type_refused: 415,
  range_not_satisfiable: 416,
  too_many_requests: 429,
  internal: 500,
  database_unavailable: 503,
  draining: 503,
  unavailable: 503,
} as const;

export type ErrorCode = keyof typeof errorStatuses;
