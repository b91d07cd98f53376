import { StartError } from './start-error';

/** How many ports after a taken default are tried. */
const PORTS_TRIED_MAX = 50;

const NO_ADDRESS_OF_OURS = new Set(['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN', 'EINVAL']);

export interface Port {
  key: string;
  host: string;
  port: number;
  /** A default may give way to the next free port; one that somebody set may not. */
  mayMove: boolean;
}

/** Listens, and answers the port it got. Throws `StartError` where the port is taken and must be this one. */
export async function listenOn<Listener>(
  { key, host, port, mayMove }: Port,
  listen: (port: number) => Promise<Listener>,
): Promise<{ port: number; listener: Listener }> {
  for (let candidate = port; ; candidate++) {
    try {
      return { port: candidate, listener: await listen(candidate) };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE' && mayMove && candidate < port + PORTS_TRIED_MAX) continue;
      if (code === 'EADDRINUSE') throw new StartError(`${key}: port ${candidate} is taken; set ${key} to a free one.`);
      if (code === 'EACCES') throw new StartError(`${key}: cannot listen: ${message}`);
      if (code !== undefined && NO_ADDRESS_OF_OURS.has(code)) {
        throw new StartError(
          `HOST: expected the name or address of an interface of this machine, found ${host} (${code}).`,
        );
      }
      throw error;
    }
  }
}

/** As browsers and curl take it. */
export function urlAt(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
