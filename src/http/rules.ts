import { applyDecorators } from '@nestjs/common';
import { Transform, Type } from 'class-transformer';
import { IsBoolean, Matches, registerDecorator, ValidateIf } from 'class-validator';

/** Printable: no control characters, no halves of surrogate pairs, no line separators. */
export const PRINTABLE = /^[^\p{Cc}\p{Cs}\u2028\u2029]+$/u;

/** Text of 1 to `lengthMax` printable characters that is more than blanks. */
export function IsPrintable(lengthMax: number): PropertyDecorator {
  return rule(
    'isPrintable',
    `must be 1 to ${lengthMax} printable characters`,
    (value) => typeof value === 'string' && value.length <= lengthMax && PRINTABLE.test(value) && value.trim() !== '',
  );
}

const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

/** ISO 8601 with date, time and offset. */
export function IsTimestamp(): PropertyDecorator {
  return rule(
    'isTimestamp',
    'must be a time such as 2030-01-31T12:00:00Z',
    (value) => typeof value === 'string' && TIMESTAMP.test(value) && isRealTime(value),
  );
}

/** Query text `true` or `false`. */
export function IsFlag(): PropertyDecorator {
  return applyDecorators(
    Transform(({ value }: { value: unknown }) => (value === 'true' ? true : value === 'false' ? false : value)),
    IsBoolean({ message: 'must be true or false' }),
  );
}

/** The field may be absent, and then keeps its default; unlike `IsOptional` it may not be null. */
export const IfPresent = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);

/** Query text that is a number. Unlike implicit conversion it touches this property only. */
export const NumberInQuery = (): PropertyDecorator => Type(() => Number);

export const IsId = (): PropertyDecorator => Matches(UUID, { message: 'must be an id such as an earlier answer gave' });
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function rule(name: string, message: string, validate: (value: unknown) => boolean): PropertyDecorator {
  return (target, property) => {
    registerDecorator({
      name,
      target: target.constructor,
      propertyName: property as string,
      options: { message },
      validator: { validate },
    });
  };
}

/** JavaScript accepts 31 February; PostgreSQL does not. */
function isRealTime(text: string): boolean {
  const day = text.slice(0, 10);
  const midnight = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(Date.parse(text)) && !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
}
