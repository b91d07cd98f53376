import { randomBytes, randomUUID } from 'node:crypto';
import { constants, renameSync, writeFileSync } from 'node:fs';
import { access, chmod, mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { EmbeddedPostgresError } from './embedded-postgres.errors';

/** What stands where in a data directory. Nothing here ever deletes one. */
export interface DataDirectory {
  path: string;
  /** The cluster, or a link to it when the server's account cannot enter the data directory. */
  cluster: string;
  ownerFile: string;
  passwordFile: string;
  /** The installation's API key, where nobody has set one. */
  adminKeyFile: string;
  logFile: string;
  /** There while a restore is under way, or was not finished: what stands beside it must not be used. */
  restoreMark: string;
}

const PASSWORD_BYTES = 24;

export function dataDirectoryAt(dataDir: string): DataDirectory {
  const path = resolve(dataDir);
  return {
    path,
    cluster: join(path, 'postgres'),
    ownerFile: join(path, 'postgres.owner'),
    passwordFile: join(path, 'postgres.password'),
    adminKeyFile: join(path, 'admin-api-key'),
    logFile: join(path, 'postgres.log'),
    restoreMark: join(path, 'postgres.restoring'),
  };
}

/** What the system refuses is about the directory: rights, space, a file system that cannot do it. */
export function explained(error: unknown, directory: DataDirectory): unknown {
  const { syscall, message } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  return new EmbeddedPostgresError(
    `The data directory ${directory.path} cannot be used (${message}); ` +
      'set HOLDFAST_DATA_DIR to a directory that can be written, or DATABASE_URL to a PostgreSQL server of your own.',
    { cause: error },
  );
}

/** Makes the directory if need be and proves that it can be written. */
export async function makeWritable(directory: DataDirectory): Promise<void> {
  const isNew = (await mkdir(directory.path, { recursive: true })) !== undefined;
  // Passable but not listable: started by root, the server's own account has to come through here to its cluster.
  if (isNew) await chmod(directory.path, 0o711);
  await access(directory.path, constants.W_OK | constants.X_OK);
}

/** The superuser's password; undefined before the first start. */
export async function readPassword(directory: DataDirectory): Promise<string | undefined> {
  try {
    return (await readFile(directory.passwordFile, 'utf8')).trim();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new EmbeddedPostgresError(
      `The password file ${directory.passwordFile} cannot be read (${code}); ` +
        'run this as the user who started the server, or set HOLDFAST_DATA_DIR to another directory.',
      { cause },
    );
  }
}

/** A fresh password, of letters that need no escaping in a URL. */
export function writePassword(directory: DataDirectory): string {
  const password = randomBytes(PASSWORD_BYTES).toString('base64url');
  replaceFile(directory.passwordFile, `${password}\n`, 0o600);
  return password;
}

/** Readers see the old text or the new one, never a part, also after a power cut. */
export function replaceFile(file: string, text: string, mode: number): void {
  const draft = `${file}.${randomUUID()}`;
  writeFileSync(draft, text, { mode, flag: 'wx', flush: true });
  renameSync(draft, file);
}
