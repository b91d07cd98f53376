import { type ArgumentMetadata, type ValidationError, ValidationPipe } from '@nestjs/common';
import type { FieldError } from './problem-types';
import { ValidationFailed } from './refusal';

/** Deeper than any body of ours. What checks a body recurses: a megabyte of brackets would exhaust its stack. */
const DEPTH_MAX = 16;
/** A body of a hundred thousand unknown fields is not answered with as many sentences. */
const FIELD_ERRORS_MAX = 200;

/** Checks every body and query against its DTO; what the DTO does not name is an error, nothing is converted silently. */
export const validationPipe = (): ValidationPipe =>
  new RequestValidation({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    exceptionFactory: (errors) => refusalOf(errors.flatMap((error) => fieldErrors(error))),
  });

class RequestValidation extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (metadata.type === 'body' || metadata.type === 'query') {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw refusalOf([{ field: metadata.type, message: 'must be a JSON object' }]);
      }
      const errors = shapeErrors(value);
      if (errors.length > 0) throw refusalOf(errors);
    }
    return super.transform(value, metadata);
  }
}

function refusalOf(errors: FieldError[]): ValidationFailed {
  return new ValidationFailed(errors.slice(0, FIELD_ERRORS_MAX));
}

/**
 * What the whitelist would not see: names that every object inherits (`constructor`, `__proto__`), which it takes for
 * known ones; and nesting without end.
 */
function shapeErrors(root: object): FieldError[] {
  const errors: FieldError[] = [];
  const open = [{ value: root, path: '', depth: 1 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const [key, value] of Object.entries(next.value) as [string, unknown][]) {
      const field = pathTo(next.path, key);
      if (key in Object.prototype) errors.push({ field, message: UNKNOWN_FIELD });
      if (typeof value !== 'object' || value === null) continue;
      if (next.depth === DEPTH_MAX) return [{ field, message: `must not be nested deeper than ${DEPTH_MAX} levels` }];
      open.push({ value, path: field, depth: next.depth + 1 });
    }
  }
  return errors;
}

const UNKNOWN_FIELD = 'is not a known field';

/** One sentence a field: its topmost rule's, which is checked last and is the most general. */
function fieldErrors(error: ValidationError, parent = ''): FieldError[] {
  const field = pathTo(parent, error.property);
  const own = Object.entries(error.constraints ?? {})
    .slice(-1)
    .map(([rule, message]) => ({
      field,
      message: rule === 'whitelistValidation' ? UNKNOWN_FIELD : withoutName(message, error.property),
    }));
  return [...own, ...(error.children ?? []).flatMap((child) => fieldErrors(child, field))];
}

function pathTo(parent: string, property: string): string {
  if (/^\d+$/.test(property) && parent !== '') return `${parent}[${property}]`;
  return parent === '' ? property : `${parent}.${property}`;
}

/** class-validator begins its sentences with the property's name, which `field` says already. */
function withoutName(message: string, property: string): string {
  return message.startsWith(`${property} `) ? message.slice(property.length + 1) : message;
}
