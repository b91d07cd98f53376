import type { Command } from 'commander';
import type { Api, Page, Query } from './api';
import { ExitCode } from './exit-codes';
import type { Screen } from './screen';

/** What one command works with. */
export interface Session {
  api: Api;
  screen: Screen;
}

/** Does what the command says; a missing exit code is `done`. */
export type Work<Options> = (session: Session, args: string[], options: Options) => Promise<ExitCode | void>;

/** Opens a session for the options that were given. Throws `WrongCall`. */
export type OpenSession = (options: { url?: string; key?: string; json?: boolean }) => Promise<Session>;

/** Gives a command its work. */
export class Desk {
  exitCode: ExitCode = ExitCode.done;

  constructor(private readonly open: OpenSession) {}

  does<Options>(command: Command, work: Work<Options>): void {
    command.action(async () => {
      const options = command.optsWithGlobals();
      const session = await this.open(options);
      this.exitCode = (await work(session, command.processedArgs as string[], options as Options)) ?? ExitCode.done;
    });
  }
}

/** Rows the API gives at once at most. */
const PAGE_ROWS_MAX = 200;
/** Rows one command lists at most. */
export const LISTED_MAX = 10_000;

/** So many rows of a list, page after page. */
export async function listed<Item>({ api }: Session, path: string, query: Query, limit: number): Promise<Page<Item>> {
  const items: Item[] = [];
  let nextCursor: string | null = null;
  do {
    const page: Page<Item> = await api.get(path, {
      ...query,
      limit: Math.min(PAGE_ROWS_MAX, limit - items.length),
      cursor: nextCursor ?? undefined,
    });
    items.push(...page.items);
    nextCursor = page.nextCursor;
  } while (nextCursor !== null && items.length < limit);
  return { items, nextCursor };
}

/** Writes a part of a path. */
export function segment(id: string): string {
  return encodeURIComponent(id);
}
