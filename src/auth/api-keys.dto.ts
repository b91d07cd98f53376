import { ArrayMaxSize, ArrayNotEmpty, IsArray, IsIn, IsOptional } from 'class-validator';
import { IsPrintable, IsTimestamp } from '../http/rules';
import { type Scope, SCOPES } from './access';

export class CreateApiKeyDto {
  /**
   * What the key is for
   * @example "shop backend"
   */
  @IsPrintable(200)
  name!: string;

  /**
   * What the key may do
   * @example ["orders:read", "orders:write", "catalog:read"]
   */
  @IsArray()
  @ArrayNotEmpty()
  @ArrayMaxSize(SCOPES.length)
  @IsIn(SCOPES, { each: true })
  scopes!: Scope[];

  /** Owner of idempotency keys, so that API keys can be rotated; the name when absent */
  @IsOptional()
  @IsPrintable(200)
  client?: string;

  /** From then on the key is refused; never when absent */
  @IsOptional()
  @IsTimestamp()
  expiresAt?: string;
}

export class ApiKeyDto {
  /** @example "01936f2e-5b5c-7d3a-9a52-8f6f3a1c2b4d" */
  apiKeyId!: string;
  /** @example "shop backend" */
  name!: string;
  /** @example "shop backend" */
  client!: string;
  /** @example ["orders:read", "orders:write", "catalog:read"] */
  scopes!: Scope[];
  /** @example "2030-01-31T12:00:00.000Z" */
  createdAt!: string;
  /** @example null */
  expiresAt!: string | null;
}

export class CreatedApiKeyDto extends ApiKeyDto {
  /**
   * The secret, shown this once
   * @example "hf_pJ0m4Ck3sUu0i0t5sJ0b8m8fQ2r3c5Xo1y7Zk9W4v6E"
   */
  key!: string;
}

export class ApiKeyPageDto {
  items!: ApiKeyDto[];
  nextCursor!: string | null;
}
