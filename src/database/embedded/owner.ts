import { createHash, randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { type DataDirectory, replaceFile } from './data-directory';
import { DataDirectoryInUse } from './embedded-postgres.errors';
import { processNamespace, startTimeOf } from './live-process';

/**
 * Who owns a data directory: the process named in its owner file, for as long as it lives. It holds for the processes
 * of one machine, in whatever containers, on a file system with hard links.
 */
export interface Owner {
  pid: number;
  startedAt: string;
  /** In which its pid means something; absent where there are none. */
  namespace?: string;
  /** The server's port, once it answers. */
  port?: number;
  apiUrl?: string;
}

export interface Claim {
  /** Adds to what the owner file tells others. After the release it does nothing. */
  record(facts: { port?: number; apiUrl?: string }): void;
  release(): Promise<void>;
}

interface Claimant {
  namespace: string | undefined;
  silentMsMax: number;
}

/** A takeover is a handful of file operations. */
const TAKEOVER_POLL_MS = 5;
/** An owner touches its file so often: whoever cannot see its process sees that. */
const TOUCH_EVERY_MS = 2000;
/** An owner in another container that has not for so long is taken for dead. */
const SILENT_MS_MAX = 30_000;
const LOOK_EVERY_MS = 250;

/**
 * Makes this process the owner, or throws DataDirectoryInUse. Of any number of simultaneous callers one succeeds. After an
 * owner in another container, such as the one before a restart, it takes `silentMsMax` to tell that it is dead.
 */
export async function claim(directory: DataDirectory, silentMsMax = SILENT_MS_MAX): Promise<Claim> {
  const startedAt = await startTimeOf(process.pid);
  if (startedAt === undefined) throw new Error('this process cannot find its own start time');
  // The token makes each claim's text unique, also among the claims of one process.
  const namespace = await processNamespace();
  let owner: Owner & { token: string } = { pid: process.pid, startedAt, namespace, token: randomUUID() };
  const holder = await seize(directory.ownerFile, JSON.stringify(owner), { namespace, silentMsMax });
  if (holder !== undefined) throw new DataDirectoryInUse(directory.path, holder.pid, holder.apiUrl);

  const touching = setInterval(() => {
    const now = new Date();
    void utimes(directory.ownerFile, now, now).catch(() => undefined);
  }, TOUCH_EVERY_MS).unref();
  let isReleased = false;
  return {
    record(facts) {
      if (isReleased) return;
      owner = { ...owner, ...facts };
      replaceFile(directory.ownerFile, JSON.stringify(owner), 0o644);
    },
    async release() {
      if (isReleased) return;
      isReleased = true;
      clearInterval(touching);
      await rm(directory.ownerFile, { force: true });
    },
  };
}

/** The live process that owns the directory, if there is one. Looks only. */
export async function liveOwner(directory: DataDirectory): Promise<Owner | undefined> {
  const text = await readIfThere(directory.ownerFile);
  const owner = ownerIn(text ?? '');
  return owner && (await isAlive(owner)) ? owner : undefined;
}

/**
 * Puts `text` in `file` unless a live process holds it, and then returns that holder.
 *
 * A dead holder's file must not simply be deleted: of two processes that both found it dead, the slower one would
 * delete the claim of the quicker one. So the right to replace one particular dead text is itself seized, in a file
 * named after that text, and whoever holds it looks again before replacing. A text is never written twice, therefore
 * a late-comer with the same right finds another text and starts over.
 */
async function seize(file: string, text: string, who: Claimant): Promise<Owner | undefined> {
  for (;;) {
    if (await createWhole(file, text)) return undefined;
    const held = await readIfThere(file);
    if (held === undefined) continue; // released in this very moment
    const holder = await liveHolder(file, held, who);
    if (holder !== undefined) return holder;

    const right = `${file}.${nameOf(held)}`;
    if ((await seize(right, text, who)) !== undefined) {
      await pause(TAKEOVER_POLL_MS); // a rival is replacing it: look who it was
      continue;
    }
    try {
      if ((await readIfThere(file)) === held) {
        await replaceWhole(file, text);
        return undefined;
      }
    } finally {
      await rm(right, { force: true });
    }
  }
}

/** Creates the file with all of its text in one step; false when it exists. */
async function createWhole(file: string, text: string): Promise<boolean> {
  const draft = await writeDraft(file, text);
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function replaceWhole(file: string, text: string): Promise<void> {
  await rename(await writeDraft(file, text), file);
}

async function writeDraft(file: string, text: string): Promise<string> {
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, text, { flag: 'wx', mode: 0o644 });
  return draft;
}

/**
 * Who wrote what stands in a file, if that process lives. One in another container cannot be looked for: it touches its file
 * while it lives, so whose file is not touched for so long is taken for dead.
 */
async function liveHolder(file: string, text: string, who: Claimant): Promise<Owner | undefined> {
  const owner = ownerIn(text);
  if (!owner) return undefined;
  const isForeign = owner.namespace !== undefined && owner.namespace !== who.namespace;
  return (await (isForeign ? isTouched(file, who.silentMsMax) : isAlive(owner))) ? owner : undefined;
}

async function isAlive({ pid, startedAt }: Owner): Promise<boolean> {
  return (await startTimeOf(pid)) === startedAt;
}

/** Whether somebody touches the file before it has been silent for so long. One that goes meanwhile was given up. */
async function isTouched(file: string, silentMsMax: number): Promise<boolean> {
  const deadline = performance.now() + silentMsMax;
  const before = await touchedAt(file);
  for (let now = before; now !== undefined; now = await touchedAt(file)) {
    if (now !== before) return true;
    if (performance.now() >= deadline) return false;
    await pause(LOOK_EVERY_MS);
  }
  return false;
}

async function touchedAt(file: string): Promise<number | undefined> {
  return (await stat(file).catch(() => undefined))?.mtimeMs;
}

/** A text that is not a claim, such as an empty file after a power cut, has no author. */
function ownerIn(text: string): Owner | undefined {
  try {
    const owner = JSON.parse(text) as Partial<Owner> | null;
    return typeof owner?.pid === 'number' && typeof owner.startedAt === 'string' ? (owner as Owner) : undefined;
  } catch {
    return undefined;
  }
}

function nameOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

async function readIfThere(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });
}
