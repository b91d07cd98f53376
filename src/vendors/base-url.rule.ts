import { registerDecorator } from 'class-validator';

const LENGTH_MAX = 2000;

/** An http(s) URL that carries nothing but where the API begins. */
export function IsBaseUrl(): PropertyDecorator {
  return (target, property) => {
    registerDecorator({
      name: 'isBaseUrl',
      target: target.constructor,
      propertyName: property as string,
      options: { message: 'must be an http or https URL without user, password, query and fragment' },
      validator: { validate: isBaseUrl },
    });
  };
}

/** A URL parser forgives a missing host and a backslash, and then means another address than was written. */
const WRITTEN_OUT = /^https?:\/\/[^\s/\\?#@]+(\/[^\s\\?#@]*)?$/;

function isBaseUrl(value: unknown): boolean {
  return (
    typeof value === 'string' &&
    value.length <= LENGTH_MAX &&
    /^[\x21-\x7e]+$/.test(value) &&
    WRITTEN_OUT.test(value) &&
    URL.canParse(value)
  );
}
