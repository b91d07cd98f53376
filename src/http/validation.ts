import { type ArgumentMetadata, type ValidationError, ValidationPipe } from '@nestjs/common';
import type { FieldError } from './problem-types';
import { ValidationFailed } from './refusal';

/**
 * Deeper, and more, than any body of ours. What reads a body after us recurses, and compares each name with each: half a
 * megabyte of brackets exhausted its stack, a megabyte of names took it 14 s.
 */
const DEPTH_MAX = 16;
const VALUES_MAX = 2000;

/** Checks every body and query against its DTO; what the DTO does not name is an error, nothing is converted silently. */
export const validationPipe = (): ValidationPipe =>
  new RequestValidation({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    exceptionFactory: (errors) => new ValidationFailed(errors.flatMap((error) => fieldErrors(error))),
  });

class RequestValidation extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (metadata.type === 'body' || metadata.type === 'query') {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw new ValidationFailed([{ field: metadata.type, message: 'must be a JSON object' }]);
      }
      const errors = shapeErrors(value, metadata.type);
      if (errors.length > 0) throw new ValidationFailed(errors);
    }
    return super.transform(value, metadata);
  }
}

/**
 * What the whitelist would not see: names that every object inherits (`constructor`, `__proto__`), which it takes for
 * known ones; and more than it could bear.
 */
function shapeErrors(root: object, name: string): FieldError[] {
  const errors: FieldError[] = [];
  let count = 0;
  const open = [{ value: root, path: '', depth: 1 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const entries = Object.entries(next.value) as [string, unknown][];
    count += entries.length;
    if (count > VALUES_MAX) return [{ field: name, message: `must not have more than ${VALUES_MAX} values` }];
    for (const [key, value] of entries) {
      const field = pathTo(next.path, key);
      if (key in Object.prototype) errors.push({ field, message: UNKNOWN_FIELD });
      // Taken for a list of lists, whose members nobody checks.
      if (Array.isArray(value) && Array.isArray(next.value)) errors.push({ field, message: 'must not be an array' });
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
