import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, Matches, registerDecorator, ValidateIf } from 'class-validator';

/** No control characters, no halves of surrogate pairs, no line separators. */
const PRINTABLE = /^[^\p{Cc}\p{Cs}\u2028\u2029]+$/u;

/** Whether a text is 1 to `charactersMax` printable characters: code points, as PostgreSQL counts them. */
export function isPrintable(text: string, charactersMax: number): boolean {
  const fits = text.length <= charactersMax || (text.length <= 2 * charactersMax && [...text].length <= charactersMax);
  return fits && PRINTABLE.test(text);
}

/** Text of 1 to `charactersMax` printable characters that is more than blanks. */
export function IsPrintable(charactersMax: number): PropertyDecorator {
  return rule(
    'isPrintable',
    `must be 1 to ${charactersMax} printable characters`,
    (value) => typeof value === 'string' && isPrintable(value, charactersMax) && value.trim() !== '',
  );
}

/** PostgreSQL takes offsets up to 15:59:59. */
const OFFSET_HOURS_LIMIT = 16;
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

/** ISO 8601 with date, time and offset. */
export function IsTimestamp(): PropertyDecorator {
  return rule('isTimestamp', 'must be a time such as 2030-01-31T12:00:00Z', isTimestamp);
}

export function isTimestamp(value: unknown): value is string {
  return typeof value === 'string' && TIMESTAMP.test(value) && isRealTime(value);
}

/** Query text `true` or `false`. */
export function IsFlag(): PropertyDecorator {
  return applyDecorators(
    Transform(({ value }: { value: unknown }) => (value === 'true' ? true : value === 'false' ? false : value)),
    IsBoolean({ message: 'must be true or false' }),
  );
}

/** The field may be absent, and then keeps its default; unlike `IsOptional` it may not be null. */
export const IfPresent = (): PropertyDecorator =>
  applyDecorators(
    ValidateIf((_, value) => value !== undefined),
    ApiPropertyOptional(),
  );

/** Query text that is a whole number in plain digits; anything else stays text, for `IsInt` to refuse. */
export const NumberInQuery = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value,
  );

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

/** JavaScript accepts 31 February, the year 0 and every offset below a day; PostgreSQL does not. */
function isRealTime(text: string): boolean {
  const day = text.slice(0, 10);
  const midnight = new Date(`${day}T00:00:00Z`);
  if (Number.isNaN(Date.parse(text)) || Number.isNaN(midnight.getTime()) || !midnight.toISOString().startsWith(day))
    return false;
  const year = new Date(text).getUTCFullYear();
  const offsetHours = Number(/[+-](\d\d):\d\d$/.exec(text)?.[1] ?? 0);
  return year >= 1 && year <= 9999 && !text.startsWith('0000') && offsetHours < OFFSET_HOURS_LIMIT;
}
