/**
 * What a page of the application may do: run our scripts, talk to us, and nothing else. Styles may be inline, because
 * formulas and positions are written into attributes; scripts may not. Pictures of other sites are not fetched: a message
 * that shows one would tell its owner who reads it.
 */
export const contentPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "media-src 'self' data: blob:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");
