import type { FieldError, ProblemCode } from './problem-types';

/** A request that is answered with a problem. Each business refusal is a class of its own with a stable code. */
export abstract class Refusal extends Error {
  abstract readonly code: ProblemCode;
  readonly errors?: FieldError[];
  readonly headers: Record<string, string> = {};
}

export class ValidationFailed extends Refusal {
  readonly code = 'VALIDATION_FAILED';

  constructor(override readonly errors: FieldError[]) {
    super(errors.map(({ field, message }) => `${field}: ${message}`).join('; '));
  }
}

export class InvalidCursor extends Refusal {
  readonly code = 'INVALID_CURSOR';

  constructor() {
    super('cursor: expected the nextCursor of an earlier answer of the same list');
  }
}

export class UriTooLong extends Refusal {
  readonly code = 'URI_TOO_LONG';

  constructor(lengthMax: number) {
    super(`An address may have at most ${lengthMax} characters.`);
  }
}
