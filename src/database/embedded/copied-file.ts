import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** A file as it was written: its path within the folder it was copied to, and what it holds. */
export interface CopiedFile {
  path: string;
  bytes: number;
  sha256: string;
}

/** Enough for few system calls; memory is used once, since files are copied one after the other. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Copies one file to a path that is free, readable by its owner only, and waits until the disk has it. A file that changes
 * meanwhile is copied as far as it was found; the digest is that of the copy.
 */
export async function copyFile(from: string, folder: string, path: string): Promise<CopiedFile> {
  const source = await open(from, 'r');
  try {
    return await written(folder, path, piecesOf(source));
  } finally {
    await source.close();
  }
}

/** Writes a file of a few lines the same way. */
export async function writeCopy(folder: string, path: string, text: string): Promise<CopiedFile> {
  return written(folder, path, [Buffer.from(text)]);
}

/** The digest of what a file holds. */
export async function digestOf(file: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  const source = await open(file, 'r');
  try {
    for await (const piece of piecesOf(source)) {
      hash.update(piece);
      bytes += piece.length;
    }
  } finally {
    await source.close();
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function written(
  folder: string,
  path: string,
  pieces: AsyncIterable<Buffer> | Iterable<Buffer>,
): Promise<CopiedFile> {
  const file = join(folder, path);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const hash = createHash('sha256');
  let bytes = 0;
  const copy = await open(file, 'wx', 0o600);
  try {
    for await (const piece of pieces) {
      hash.update(piece);
      await copy.writeFile(piece);
      bytes += piece.length;
    }
    await copy.sync();
  } finally {
    await copy.close();
  }
  return { path, bytes, sha256: hash.digest('hex') };
}

async function* piecesOf(source: FileHandle): AsyncIterable<Buffer> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (;;) {
    const { bytesRead } = await source.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) return;
    yield chunk.subarray(0, bytesRead);
  }
}
