import { Refusal } from '../http/refusal';
import type { Scope } from './access';

export class Unauthenticated extends Refusal {
  readonly code = 'UNAUTHENTICATED';
  override readonly headers = { 'www-authenticate': 'Bearer' };

  constructor() {
    super('Send a valid API key: Authorization: Bearer <key>.');
  }
}

export class InsufficientScope extends Refusal {
  readonly code = 'INSUFFICIENT_SCOPE';

  constructor(scope: Scope) {
    super(`This needs an API key with the scope ${scope}.`);
  }
}

export class ApiKeyNotFound extends Refusal {
  readonly code = 'API_KEY_NOT_FOUND';

  constructor(apiKeyId: string) {
    super(`There is no API key ${apiKeyId}, or it is revoked.`);
  }
}
