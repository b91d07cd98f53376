import { hash, randomBytes } from 'node:crypto';
import type { Scope } from './access';

/** A key as it is stored and shown: without its secret. Times are ISO 8601 UTC. */
export interface ApiKey {
  apiKeyId: string;
  name: string;
  client: string;
  scopes: Scope[];
  createdAt: string;
  expiresAt: string | null;
}

/** 256 random bits; the prefix lets secret scanners recognise it. */
export function newSecret(): string {
  return `hf_${randomBytes(32).toString('base64url')}`;
}

/** A secret of full entropy needs no salt and no slow hash. */
export function hashOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}
