export const PROBLEM_MEDIA_TYPE = 'application/problem+json; charset=utf-8';

/** Every problem the API answers with: its stable code, its HTTP status and its title (RFC 9457). */
export const problemTypes = {
  MALFORMED_REQUEST: { status: 400, title: 'The request cannot be read' },
  MALFORMED_JSON: { status: 400, title: 'The body is not JSON' },
  VALIDATION_FAILED: { status: 400, title: 'The request breaks a rule' },
  INVALID_CURSOR: { status: 400, title: 'The cursor is not one of ours' },
  UNAUTHENTICATED: { status: 401, title: 'No valid API key' },
  INSUFFICIENT_SCOPE: { status: 403, title: 'The API key lacks a scope' },
  ROUTE_NOT_FOUND: { status: 404, title: 'No such route' },
  ORDER_NOT_FOUND: { status: 404, title: 'No such order' },
  CHECKOUT_NOT_FOUND: { status: 404, title: 'No such checkout' },
  PRODUCT_NOT_FOUND: { status: 404, title: 'No such product' },
  VENDOR_NOT_FOUND: { status: 404, title: 'No such vendor' },
  SYNC_RUN_NOT_FOUND: { status: 404, title: 'No such sync run' },
  DEAD_LETTER_NOT_FOUND: { status: 404, title: 'No such dead letter' },
  RECONCILIATION_RUN_NOT_FOUND: { status: 404, title: 'No such reconciliation run' },
  CASE_NOT_FOUND: { status: 404, title: 'No such case' },
  API_KEY_NOT_FOUND: { status: 404, title: 'No such API key' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'The route does not take this method' },
  REQUEST_TIMEOUT: { status: 408, title: 'The request did not arrive' },
  INSUFFICIENT_STOCK: { status: 409, title: 'Not enough stock' },
  STOCK_STALE: { status: 409, title: 'The stock is not known well enough' },
  VENDOR_DISABLED: { status: 409, title: 'The vendor is disabled' },
  ORDER_NOT_CANCELLABLE: { status: 409, title: 'The order is decided' },
  SYNC_NOT_HELD: { status: 409, title: 'The sync run does not wait for a decision' },
  SYNC_SUPERSEDED: { status: 409, title: 'Something newer was listed' },
  DEAD_LETTER_NOT_DISMISSABLE: { status: 409, title: 'It is about an order' },
  DEAD_LETTER_NOT_REPLAYABLE: { status: 409, title: 'Sending again does not mend it' },
  CASE_NOT_OPEN: { status: 409, title: 'The case is resolved' },
  CASE_OUTDATED: { status: 409, title: 'What the case tells of has changed' },
  IDEMPOTENCY_IN_PROGRESS: { status: 409, title: 'A request with this key is under way' },
  BODY_TOO_LARGE: { status: 413, title: 'The body is too large' },
  URI_TOO_LONG: { status: 414, title: 'The address is too long' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'The body is not application/json' },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: 'The key was used with another request' },
  HEADERS_TOO_LARGE: { status: 431, title: 'The address and headers are too large' },
  INTERNAL: { status: 500, title: 'Something went wrong on our side' },
  OVERLOADED: { status: 503, title: 'Too much at once' },
  DATABASE_UNAVAILABLE: { status: 503, title: 'The database cannot be reached' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problemTypes;

/** What one field of the request did wrong. `field` is a path such as `lines[1].quantity`. */
export interface FieldError {
  field: string;
  message: string;
  [extra: string]: unknown;
}

/** An answer of type `application/problem+json`. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ProblemCode;
  requestId: string;
  errors?: FieldError[];
}

export function problemOf(code: ProblemCode, detail: string, requestId: string, errors?: FieldError[]): Problem {
  return {
    type: `urn:holdfast:problem:${code}`,
    ...problemTypes[code],
    detail,
    code,
    requestId,
    ...(errors && { errors }),
  };
}
