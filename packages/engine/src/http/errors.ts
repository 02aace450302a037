import { ParleyError } from "../lib/errors.ts";

/** Refusals that are of HTTP and not of the machine. Each names its status through its `code`. */

export class InvalidRequest extends ParleyError {
  constructor(message: string, details?: Record<string, unknown>) {
    super("invalid_request", message, { details });
  }
}

export class MalformedJson extends ParleyError {
  constructor(reason: string) {
    super("malformed_json", `The body is not valid JSON: ${reason}.`);
  }
}

export class PayloadTooLarge extends ParleyError {
  constructor(what: string, bytesMax: number) {
    super("payload_too_large", `${what} is larger than ${bytesMax} bytes.`, {
      details: { bytes_max: bytesMax },
    });
  }
}

/** Request line and headers together; what follows was not read. */
export class HeadersTooLarge extends ParleyError {
  constructor(bytesMax: number) {
    const what = "The request line and the headers are together";
    super("headers_too_large", `${what} larger than ${bytesMax} bytes.`, {
      details: { bytes_max: bytesMax },
    });
  }
}

/** It came too slowly to be waited for. */
export class RequestTimeout extends ParleyError {
  constructor(waitMs: number) {
    super("request_timeout", `The request was not whole within ${waitMs / 1000} s.`);
  }
}

/** A body in a form that cannot be taken. */
export class UnsupportedBody extends ParleyError {
  constructor(message: string) {
    super("unsupported_media_type", message);
  }
}

/** One message for every way in which a credential is no good: which of them it was is nobody's business. */
export class Unauthorized extends ParleyError {
  constructor() {
    super("unauthorized", "A valid bearer token is needed: Authorization: Bearer parley_…");
  }
}

export class Forbidden extends ParleyError {
  constructor(message: string) {
    super("forbidden", message);
  }
}

export class NotFound extends ParleyError {
  constructor(message = "There is nothing here.") {
    super("not_found", message);
  }
}

export class MethodNotAllowed extends ParleyError {
  readonly allowed: readonly string[];

  constructor(method: string, allowed: readonly string[]) {
    super("method_not_allowed", `${method} is not possible here.`, {
      details: { allowed: [...allowed] },
    });
    this.allowed = allowed;
  }
}

export class NotAcceptable extends ParleyError {
  constructor() {
    super(
      "not_acceptable",
      "This is a stream: ask for text/event-stream, or upgrade to a WebSocket.",
    );
  }
}

export class UnknownModel extends ParleyError {
  constructor(model: string) {
    super("unknown_model", `No provider is configured for the model ${model}.`, {
      details: { model },
    });
  }
}

export class FileTypeRefused extends ParleyError {
  constructor(mediaType: string, allowed: readonly string[]) {
    super(
      "file_type_refused",
      `By its content this is ${mediaType}, which is not taken here. Taken are: ${allowed.join(", ")}.`,
      { details: { media_type: mediaType, allowed: [...allowed] } },
    );
  }
}

export class RangeNotSatisfiable extends ParleyError {
  constructor(sizeBytes: number) {
    super("range_not_satisfiable", `The file has ${sizeBytes} bytes.`, {
      details: { size_bytes: sizeBytes },
    });
  }
}

export class InvalidListCursor extends ParleyError {
  constructor() {
    super("invalid_cursor", "The cursor is not one that this list has given.");
  }
}

export class Draining extends ParleyError {
  constructor() {
    super("draining", "This server is shutting down and takes no new work. Try again in a moment.");
  }
}
