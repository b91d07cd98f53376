import { chmod, mkdir } from 'node:fs/promises';

/**
 * Where a root caller keeps what the server's account cannot reach in place, for instance when everything lies below
 * a private home. Not below /tmp: that gets swept, and this holds a database.
 */
export const REFUGE = '/var/lib/holdfast';

/** Makes it passable for every account, whatever the umask says. */
export async function makeRefuge(): Promise<void> {
  await mkdir(REFUGE, { recursive: true });
  await chmod(REFUGE, 0o755);
}
