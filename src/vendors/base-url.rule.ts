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

function isBaseUrl(value: unknown): boolean {
  if (typeof value !== 'string' || value.length > LENGTH_MAX || !/^https?:\/\/[\x21-\x7e]+$/.test(value)) return false;
  if (!URL.canParse(value) || /[?#@]/.test(value)) return false;
  return new URL(value).hostname !== '';
}
