/** The database's silence, with the code that the system has for it. */
class DatabaseSilent extends Error {
  readonly code = 'ETIMEDOUT';
}

/**
 * Waits for the database's answer no longer than this; then it counts as unavailable. The statement itself goes on: only
 * for reads that nobody misses.
 */
export async function inTime<Result>(work: Promise<Result>, msMax: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DatabaseSilent(`The database did not answer in ${msMax} ms`)), msMax);
  });
  try {
    return await Promise.race([work, silence]);
  } finally {
    clearTimeout(timer);
  }
}
