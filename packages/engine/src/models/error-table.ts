import type { ErrorKind } from "@parley/protocol";

export interface ErrorRow {
  /** Named in tests. */
  name: string;
  kind: ErrorKind;
  /** All of what is given must match. */
  when?: {
    /** A status, a range of them, or null for "there is none". */
    status?: readonly (number | readonly [number, number] | null)[];
    /** The error's type, code or status name; an operating system's error code. */
    code?: RegExp;
    text?: RegExp;
    html?: boolean;
  };
  /** Instead of the provider's own words. */
  message?: string;
}

const refused = [400, 404, 413, 422, null] as const;

/**
 * The first row that matches decides. Structured fields come before text; but text that says "quota" or names a
 * mistake in the configuration comes before every status and code that would be retried: retrying cannot mend it.
 */
export const errorRows: readonly ErrorRow[] = [
  // What the error calls itself, where trying again is of no use.
  {
    name: "quota by code",
    kind: "quota",
    when: {
      code: /^(insufficient_quota|exceeded_current_quota_error|billing_hard_limit_reached|billing_not_active|billing_error|insufficient_(balance|credits|funds)|quota_exceeded|credits_exhausted|payment_required)$/i,
    },
  },
  {
    name: "context overflow by code",
    kind: "context_overflow",
    when: {
      code: /^(context_length_exceeded|exceed_context_size_error|context_window_exceeded|string_above_max_length|request_too_large|model_context_window_exceeded)$/i,
    },
  },
  {
    name: "content filter by code",
    kind: "content_filter",
    when: {
      code: /^(content_filter|content_policy_violation|invalid_prompt|moderation_blocked|ResponsibleAIPolicyViolation|data_inspection_failed|bio_policy|cyber_policy)$/i,
    },
  },
  {
    name: "authentication by code",
    kind: "auth",
    when: {
      code: /^(invalid_api_key|authentication_error|invalid_authentication(_error)?|UNAUTHENTICATED|API_KEY_INVALID|token_expired|account_deactivated|AI_LoadAPIKeyError)$/i,
    },
  },
  {
    name: "unknown model by code",
    kind: "config",
    when: {
      code: /^(model_not_found|deployment_not_found|DeploymentNotFound|unsupported_country_region_territory|unknown_model|model_not_available|AI_NoSuchModelError)$/i,
    },
  },
  {
    name: "TLS by code",
    kind: "config",
    when: {
      code: /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|EPROTO$)/,
    },
    message:
      "The connection to the provider is not secure: its certificate was not accepted, or the base URL does not speak TLS. Check the base URL and the certificates of this machine.",
  },
  {
    name: "base URL that is none",
    kind: "config",
    when: {
      code: /^(ERR_INVALID_URL|ERR_INVALID_PROTOCOL|ERR_INVALID_CHAR|ERR_UNESCAPED_CHARACTERS)$/,
    },
    message: "The provider's base URL, key or headers cannot be used. Check the configuration.",
  },

  // Text that beats a status or code that would be retried.
  {
    name: "Google's limit per minute calls itself a quota",
    kind: "rate_limit",
    when: { status: [429], text: /PerMinute/ },
  },
  {
    name: "quota by text",
    kind: "quota",
    when: {
      text: /exceeded your current quota|insufficient[ _](quota|balance|credits?|funds)|credit balance is too low|billing[ _](hard[ _])?limit|reached your (specified )?(api )?usage limits?|(out of|no|any|not enough|enough|requires more|purchase) credits\b|payment required|account (is )?not active, please check your billing|monthly spend|spend(ing)? limit|quota (has been )?exhausted/i,
    },
  },
  {
    name: "authentication by text",
    kind: "auth",
    when: {
      text: /(incorrect|invalid|missing|no|bad|expired) (x-)?api[- _]?key|api[- _]?key (is )?(not valid|invalid|missing|expired|required|disabled)|api key not found|invalid (bearer|authentication|auth) token/i,
    },
  },
  {
    name: "unknown model by text",
    kind: "config",
    when: {
      text: /\bmodels?\b[^\n]{0,160}(does not exist|not found|is not available|is not supported|do not have access|has been (deprecated|retired|shut down))|(unknown|invalid|no such|unsupported) model\b|no endpoints found|not a valid model id/i,
    },
  },
  {
    name: "organisation not allowed by text",
    kind: "config",
    when: {
      text: /organization must be (verified|enabled)|country, region, or territory not supported/i,
    },
  },
  {
    name: "context overflow by text",
    kind: "context_overflow",
    when: {
      status: [...refused, 500],
      text: /(maximum|max) (allowed )?(context|prompt|input|sequence|model) (length|window|size|tokens?)|context (length|window|size|limit)[^\n]{0,80}(exceed|too|limit|is)|exceeds? (the|its|your|this) [^\n]{0,80}(context|maximum number of (input )?tokens)|(prompt|input|request|conversation) (is |was )?too (long|large|many tokens)|too many (input )?tokens|reduce the length of (the|your) (messages|prompt|input)|input token count[^\n]{0,60}exceeds|exceed context limit|maximum allowed number of bytes/i,
    },
  },
  {
    name: "content filter by text",
    kind: "content_filter",
    when: {
      status: [400, 403, 451, null],
      text: /content (management )?policy|usage polic(y|ies)|content[ _]filter|flagged (as|by|for)|blocked (by|due to|for) [^\n]{0,40}(safety|moderation|policy)|PROHIBITED_CONTENT|RECITATION/i,
    },
  },

  // What the error calls itself, where trying again may help.
  {
    name: "overloaded by code",
    kind: "overloaded",
    when: {
      code: /^(overloaded(_error)?|server_overloaded|engine_overloaded(_error)?|service_unavailable(_error)?|UNAVAILABLE|slow_down|model_overloaded|capacity_exceeded)$/i,
    },
  },
  {
    name: "rate limit by code",
    kind: "rate_limit",
    when: {
      code: /^(rate_limit(ed|_error|_exceeded|_reached(_error)?)?|rate_limit_exceeded_error|requests|tokens|too_many_requests|RESOURCE_EXHAUSTED|concurrency_limit_exceeded)$/i,
    },
  },
  {
    name: "timeout by code",
    kind: "timeout",
    when: {
      code: /^(timeout(_error)?|request_timeout|gateway_timeout|DEADLINE_EXCEEDED|ETIMEDOUT|UND_ERR_(CONNECT|HEADERS|BODY)_TIMEOUT|ERR_SOCKET_CONNECTION_TIMEOUT)$/i,
    },
  },
  {
    name: "no connection",
    kind: "network",
    when: {
      code: /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|EHOSTDOWN|EACCES|ENOENT)$/,
    },
    message: "The provider cannot be reached: the connection was refused or there is no way to it.",
  },
  {
    name: "connection lost",
    kind: "network",
    when: { code: /^(ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET|HPE_\w+|Z_\w+ERROR)$/ },
    message: "The connection to the provider was lost.",
  },
  {
    name: "no such host",
    kind: "network",
    when: { code: /^(ENOTFOUND|EAI_\w+|EDNS\w*)$/ },
    message: "The provider's host name cannot be resolved.",
  },
  {
    name: "half a stream",
    kind: "network",
    when: { code: /^stream_cut$/ },
    message: "The provider's stream ended before the reply was complete.",
  },
  {
    name: "half a stream, as the package says it",
    kind: "network",
    when: { code: /^AI_InvalidResponseDataError$/, text: /ended without a finish reason/ },
    message: "The provider's stream ended before the reply was complete.",
  },

  // What the adapter cannot even send.
  {
    name: "request that cannot be built",
    kind: "invalid_request",
    when: {
      code: /^AI_(UnsupportedFunctionality|InvalidPrompt|InvalidArgument|LoadSetting|NoSuchProviderReference)Error$/,
    },
  },
  {
    name: "answer that cannot be read",
    kind: "server",
    when: { code: /^AI_(InvalidResponseData|TypeValidation|JSONParse|EmptyResponseBody)Error$/ },
    message: "The provider sent something that is no valid reply.",
  },

  // HTML where an API should be.
  {
    name: "web page with a success status",
    kind: "config",
    when: { html: true, status: [[200, 299]] },
    message:
      "The provider's address answered with a web page instead of a model's reply. Check the base URL.",
  },
  {
    name: "web page for a bad gateway",
    kind: "overloaded",
    when: { html: true, status: [502, 503, 520, 521, 522, 523, 529] },
    message: "The provider is not available at the moment: a gateway answered with an error page.",
  },
  {
    name: "web page for a timeout",
    kind: "timeout",
    when: { html: true, status: [408, 504, 524] },
    message: "The provider did not answer in time: a gateway answered with an error page.",
  },
  {
    name: "web page for a refusal",
    kind: "auth",
    when: { html: true, status: [401, 403, 407, 451] },
    message:
      "The provider's address refused the request with a web page. Check the base URL, the key and the network.",
  },
  {
    name: "web page for a wrong address",
    kind: "config",
    when: { html: true, status: [404, 405, 410] },
    message: "The provider's address does not know this call. Check the base URL.",
  },
  {
    name: "web page for anything else",
    kind: "server",
    when: { html: true },
    message: "The provider answered with an error page.",
  },

  // The status alone.
  {
    name: "redirect",
    kind: "config",
    when: { status: [[300, 399]] },
    message: "The provider's address sends elsewhere. Check the base URL.",
  },
  { name: "401", kind: "auth", when: { status: [401] } },
  { name: "402", kind: "quota", when: { status: [402] } },
  { name: "403", kind: "auth", when: { status: [403, 407] } },
  { name: "404", kind: "config", when: { status: [404, 405, 410] } },
  { name: "408", kind: "timeout", when: { status: [408, 504, 524] } },
  { name: "409 and 425", kind: "server", when: { status: [409, 425] } },
  { name: "413", kind: "context_overflow", when: { status: [413] } },
  { name: "429", kind: "rate_limit", when: { status: [429] } },
  { name: "451", kind: "content_filter", when: { status: [451] } },
  { name: "other 4xx", kind: "invalid_request", when: { status: [[400, 499]] } },
  { name: "502, 503, 529", kind: "overloaded", when: { status: [502, 503, 529, [520, 523]] } },
  {
    name: "overloaded by text",
    kind: "overloaded",
    when: { text: /overloaded|over capacity|at capacity|high demand|try again later/i },
  },
  { name: "other 5xx", kind: "server", when: { status: [[500, 599]] } },

  {
    name: "server by code",
    kind: "server",
    when: {
      code: /^(server_error|internal_server_error|INTERNAL|UNKNOWN|api_error|processing_error|vector_store_timeout|provider_error)$/i,
    },
  },
  {
    name: "invalid request by code",
    kind: "invalid_request",
    when: { code: /^invalid_|^INVALID_ARGUMENT$|^bad_request|^FAILED_PRECONDITION$/i },
  },

  // Text alone: an error event without a code.
  {
    name: "rate limit by text",
    kind: "rate_limit",
    when: { text: /rate[ -]?limit|too many requests/i },
  },
  { name: "timeout by text", kind: "timeout", when: { text: /timed? ?out/i } },
  {
    name: "connection by text",
    kind: "network",
    when: {
      text: /fetch failed|socket hang up|terminated|connection (closed|reset|lost|error)|network/i,
    },
  },
  {
    name: "bug",
    kind: "internal",
    when: { status: [null], code: /^(TypeError|RangeError|ReferenceError|AssertionFailed)$/ },
    message: "The model call failed inside this server.",
  },
];
