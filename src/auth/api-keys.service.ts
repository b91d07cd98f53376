import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { newId } from '../database/new-id';
import { Config } from '../config/config';
import { ValidationFailed } from '../http/refusal';
import { type Caller, type Scope, SCOPES } from './access';
import { type ApiKey, hashOf, newSecret } from './api-key';
import { ApiKeyRepository } from './api-key.repository';
import { ApiKeyNotFound } from './auth.errors';

/** How long a verified key is believed: so long a key that was revoked by another process still works here. */
const VERIFIED_MS_MAX = 5000;
/** Keys, the most recently used: a few hundred bytes each. */
const VERIFIED_MAX = 10_000;

export interface NewApiKey {
  name: string;
  scopes: Scope[];
  client?: string;
  /** ISO 8601; absent: never. */
  expiresAt?: string;
}

/** Issues, lists, revokes and verifies API keys. A secret is shown once and stored hashed. */
@Injectable()
export class ApiKeys {
  private readonly adminHash: Buffer | undefined;
  /** By hash. A key that is unknown is looked for each time: nobody can fill this with guesses. */
  private readonly verified = new LRUCache<string, ApiKey>({
    max: VERIFIED_MAX,
    fetchMethod: async (hash, _, { options }) => {
      const found = await this.repository.findValid(Buffer.from(hash, 'base64'));
      options.ttl = found && verifiedForMs(found);
      return found;
    },
  });

  constructor(
    private readonly repository: ApiKeyRepository,
    { adminApiKey }: Config,
  ) {
    this.adminHash = adminApiKey === undefined ? undefined : hashOf(adminApiKey);
  }

  /** Throws `ValidationFailed` where the key would have expired already. */
  async create({ name, scopes, client, expiresAt }: NewApiKey): Promise<ApiKey & { key: string }> {
    if (expiresAt && Date.parse(expiresAt) <= Date.now()) {
      throw new ValidationFailed([{ field: 'expiresAt', message: 'must be in the future' }]);
    }
    const key = newSecret();
    const created = await this.repository.insert(
      { apiKeyId: newId(), name, client: client ?? name, scopes: [...new Set(scopes)], expiresAt: expiresAt ?? null },
      hashOf(key),
    );
    return { ...created, key };
  }

  list(limit: number, after?: string): Promise<ApiKey[]> {
    return this.repository.list(limit, after);
  }

  /** Throws `ApiKeyNotFound`. */
  async revoke(apiKeyId: string): Promise<void> {
    const revoked = await this.repository.revoke(apiKeyId);
    this.verified.clear();
    if (!revoked) throw new ApiKeyNotFound(apiKeyId);
  }

  /** Who the secret belongs to, or undefined where it is unknown, expired or revoked (elsewhere: seconds ago). */
  async verify(secret: string): Promise<Caller | undefined> {
    const hash = hashOf(secret);
    if (this.adminHash && timingSafeEqual(hash, this.adminHash)) {
      return { apiKeyId: 'admin', client: 'admin', scopes: SCOPES };
    }
    return this.verified.fetch(hash.toString('base64'));
  }

  /** Whether anybody at all can get in. */
  async anyExists(): Promise<boolean> {
    return this.adminHash !== undefined || (await this.repository.anyValid());
  }
}

/** Not beyond its expiry; a cache takes 0 for "for ever". */
function verifiedForMs({ expiresAt }: ApiKey): number {
  const leftMs = expiresAt === null ? VERIFIED_MS_MAX : Date.parse(expiresAt) - Date.now();
  return Math.max(1, Math.min(leftMs, VERIFIED_MS_MAX));
}
