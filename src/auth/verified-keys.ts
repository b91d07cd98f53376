import { LRUCache } from 'lru-cache';
import { databaseFailure } from '../database/database-errors';
import { inTime } from '../database/in-time';
import type { ApiKey } from './api-key';

/** How long a verified key is believed: so long a key that was revoked by another process still works here. */
const VERIFIED_MS_MAX = 5_000;
/** So long after it was verified it is believed while the database cannot be asked, and no longer. */
const BELIEVED_MS_MAX = 60_000;
/** While the database is away it is asked again this often for each key, and waited for so long. */
const ASK_AGAIN_MS = 2_000;
const ANSWER_MS_MAX = 300;
/** Keys, the most recently used: a few hundred bytes each. */
const KEPT_MAX = 10_000;

interface Verified {
  key: ApiKey;
  /** Monotonic; before the database was asked. */
  verifiedAtMs: number;
  askAgainAtMs: number;
}

/**
 * Keys that the database knew a moment ago, by their hash. One that it does not know is looked for each time: nobody can
 * fill this with guesses.
 */
export class VerifiedKeys {
  private kept = newCache();
  private asking = new Map<string, Promise<Verified | undefined>>();

  constructor(private readonly lookUp: (hash: Buffer) => Promise<ApiKey | undefined>) {}

  /** Undefined where it is unknown, expired or revoked. Throws what the look-up throws where nothing is known. */
  async find(hash: Buffer): Promise<ApiKey | undefined> {
    const id = hash.toString('base64');
    const known = this.kept.get(id);
    if (known && performance.now() < known.askAgainAtMs && !isExpired(known.key)) return known.key;
    return (await (this.asking.get(id) ?? this.ask(id, hash, known)))?.key;
  }

  /** What is being asked now, and may tell of the time before, is not kept either. */
  forget(): void {
    this.kept = newCache();
    this.asking = new Map();
  }

  private ask(id: string, hash: Buffer, known: Verified | undefined): Promise<Verified | undefined> {
    const { kept, asking } = this;
    const asked = this.verify(hash, known)
      .then((found) => {
        if (found) kept.set(id, found);
        else kept.delete(id);
        return found;
      })
      .finally(() => asking.delete(id));
    asking.set(id, asked);
    return asked;
  }

  private async verify(hash: Buffer, known: Verified | undefined): Promise<Verified | undefined> {
    const verifiedAtMs = performance.now();
    try {
      const key = await (known ? inTime(this.lookUp(hash), ANSWER_MS_MAX) : this.lookUp(hash));
      return key && { key, verifiedAtMs, askAgainAtMs: verifiedAtMs + VERIFIED_MS_MAX };
    } catch (error) {
      const believedUntilMs = known ? known.verifiedAtMs + BELIEVED_MS_MAX : 0;
      const nowMs = performance.now();
      if (!known || !databaseFailure(error) || isExpired(known.key) || nowMs >= believedUntilMs) throw error;
      return { ...known, askAgainAtMs: Math.min(nowMs + ASK_AGAIN_MS, believedUntilMs) };
    }
  }
}

function newCache(): LRUCache<string, Verified> {
  return new LRUCache({ max: KEPT_MAX });
}

function isExpired({ expiresAt }: ApiKey): boolean {
  return expiresAt !== null && Date.parse(expiresAt) <= Date.now();
}
