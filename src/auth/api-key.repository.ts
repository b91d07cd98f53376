import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { row, rows } from '../database/sql';
import type { Scope } from './access';
import type { ApiKey } from './api-key';

interface ApiKeyRow {
  api_key_id: string;
  name: string;
  client: string;
  scopes: Scope[];
  created_at: Date;
  expires_at: Date | null;
}

const COLUMNS = 'api_key_id, name, client, scopes, created_at, expires_at';

@Injectable()
export class ApiKeyRepository {
  constructor(private readonly dataSource: DataSource) {}

  async insert(key: Omit<ApiKey, 'createdAt'>, hash: Buffer): Promise<ApiKey> {
    const inserted = await row<ApiKeyRow>(
      this.dataSource.manager,
      `INSERT INTO api_keys (api_key_id, name, client, scopes, key_hash, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${COLUMNS}`,
      [key.apiKeyId, key.name, key.client, key.scopes, hash, key.expiresAt],
    );
    return apiKeyOf(inserted!);
  }

  /** Keys that are not revoked, oldest first. */
  async list(limit: number, after?: string): Promise<ApiKey[]> {
    const found = await rows<ApiKeyRow>(
      this.dataSource.manager,
      `SELECT ${COLUMNS} FROM api_keys
       WHERE revoked_at IS NULL AND ($2::varchar IS NULL OR api_key_id > $2) ORDER BY api_key_id LIMIT $1`,
      [limit, after ?? null],
    );
    return found.map(apiKeyOf);
  }

  /** Answers whether there was such a key to revoke. */
  async revoke(apiKeyId: string): Promise<boolean> {
    const revoked = await row(
      this.dataSource.manager,
      'UPDATE api_keys SET revoked_at = now() WHERE api_key_id = $1 AND revoked_at IS NULL RETURNING api_key_id',
      [apiKeyId],
    );
    return revoked !== undefined;
  }

  async findValid(hash: Buffer): Promise<ApiKey | undefined> {
    const found = await row<ApiKeyRow>(
      this.dataSource.manager,
      `SELECT ${COLUMNS} FROM api_keys
       WHERE key_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`,
      [hash],
    );
    return found && apiKeyOf(found);
  }

  async anyValid(): Promise<boolean> {
    return (await this.list(1)).length > 0;
  }
}

function apiKeyOf(found: ApiKeyRow): ApiKey {
  return {
    apiKeyId: found.api_key_id,
    name: found.name,
    client: found.client,
    scopes: found.scopes,
    createdAt: found.created_at.toISOString(),
    expiresAt: found.expires_at?.toISOString() ?? null,
  };
}
