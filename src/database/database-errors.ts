import { UnsafeDatabase, UnsuitableSession } from './session.errors';

/** How the database failed a statement, where that is not the statement's own fault. */
export type DatabaseFailure = 'unavailable' | 'exhausted' | 'overdue' | 'unmigrated' | 'conflict';

/** SQLSTATE classes and codes of a server that is going, gone, or not taking this session, or whose database is gone (3D000). */
const UNAVAILABLE = /^(08...|57P0.|53...|25006|25P03|3D000)$/;
/** The server ended a statement of ours that took too long: it, or its disk, is slow. */
const STATEMENT_TIMEOUT = '57014';
/** Serialisation failure, deadlock, lock not available: the same statement may succeed at once. */
const CONFLICT = /^(40001|40P01|55P03)$/;
const LOCK_NOT_AVAILABLE = '55P03';
const UNDEFINED_TABLE = '42P01';
const UNIQUE_VIOLATION = '23505';
const SOCKET_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
]);
/** pg's words when no pooled connection became free within `DATABASE_POOL_WAIT_MS`. */
const POOL_EXHAUSTED = /^timeout exceeded when trying to connect$/;
/** Words of pg and TypeORM for a connection that is not there (any more); they carry no code. */
const DISCONNECTED =
  /^Connection terminated|^Client has encountered a connection error|^Driver not Connected|^Cannot use a pool after|^Client was closed|^the database system is/;
/** A backend that dies inside `transaction()` surfaces as one of these and hides its own code. */
const DISCONNECTED_NAMES = new Set([
  'QueryRunnerAlreadyReleasedError',
  'QueryRunnerProviderAlreadyReleasedError',
  'DataSourceNotInitializedError',
  'ConnectionNotFoundError',
  'TransactionNotStartedError',
]);
/** Causes are followed this deep. */
const CAUSE_DEPTH_MAX = 6;

/**
 * Says how the database failed, or undefined where the error is something else. An error of a COMMIT leaves the
 * outcome unknown: who retries looks for what it wrote first.
 */
export function databaseFailure(error: unknown, depth = 0): DatabaseFailure | undefined {
  if (!(error instanceof Error) || depth > CAUSE_DEPTH_MAX) return undefined;
  // To who is served it is away; who starts tells the sentence.
  if (error instanceof UnsuitableSession || error instanceof UnsafeDatabase) return 'unavailable';
  const { code, driverError, errors } = error as Error & { code?: unknown; driverError?: unknown; errors?: unknown[] };
  if (typeof code === 'string') {
    if (UNAVAILABLE.test(code) || SOCKET_CODES.has(code)) return 'unavailable';
    if (code === STATEMENT_TIMEOUT) return 'overdue';
    if (CONFLICT.test(code)) return 'conflict';
    if (code === UNDEFINED_TABLE) return 'unmigrated';
  }
  if (POOL_EXHAUSTED.test(error.message)) return 'exhausted';
  if (DISCONNECTED.test(error.message) || DISCONNECTED_NAMES.has(error.name)) return 'unavailable';
  return [driverError, error.cause, ...(errors ?? [])]
    .map((inner) => databaseFailure(inner, depth + 1))
    .find((failure) => failure !== undefined);
}

/** Whether a row or table stayed locked for longer than the statement was to wait. */
export function isLockTimeout(error: unknown, depth = 0): boolean {
  if (!(error instanceof Error) || depth > CAUSE_DEPTH_MAX) return false;
  const { code, driverError } = error as Error & { code?: unknown; driverError?: unknown };
  return code === LOCK_NOT_AVAILABLE || [driverError, error.cause].some((inner) => isLockTimeout(inner, depth + 1));
}

/** Whether trying again later may succeed without anything being changed. */
export function isTransientDatabaseError(error: unknown): boolean {
  return databaseFailure(error) !== undefined;
}

/** Whether a row that this unique constraint allows only once was there already. */
export function isDuplicate(error: unknown, constraint: string): boolean {
  if (!(error instanceof Error)) return false;
  const failure = error as Error & { code?: unknown; constraint?: unknown };
  return failure.code === UNIQUE_VIOLATION && failure.constraint === constraint;
}
