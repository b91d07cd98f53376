/** Keys read together at most; some hundreds: a group's time is what its last key waits. */
const GROUP_KEYS_MAX = 200;
/** While one group waits for the database, the next can be asked; more would only take connections from orders. */
const GROUPS_UNDER_WAY_MAX = 2;

interface Group<Value> {
  keys: Set<string>;
  /** Monotonic; undefined while it waits. */
  askedAtMs: number | undefined;
  found: Promise<Map<string, Value>>;
  settle: { resolve(found: Map<string, Value>): void; reject(error: unknown): void };
}

/**
 * Reads keys by the group: what is wanted while a read is under way is read together by the next one, each key once,
 * however many want it. So a crowd takes two connections, whatever it looks at.
 */
export class ReadGroups<Value> {
  private waiting: Group<Value>[] = [];
  private readonly underWay = new Set<Group<Value>>();
  private beginning = false;

  constructor(
    private readonly read: (keys: string[]) => Promise<Map<string, Value>>,
    /** A read that has been under way for longer than this is too old to wait for. */
    private readonly joinableMs: number,
  ) {}

  /** The value, or undefined where there is none. Rejects with what the read rejects with. */
  async want(key: string): Promise<Value | undefined> {
    const group = this.joinable(key) ?? this.gathering();
    group.keys.add(key);
    return (await group.found).get(key);
  }

  private joinable(key: string): Group<Value> | undefined {
    const sinceMs = performance.now() - this.joinableMs;
    for (const group of this.underWay) if (group.askedAtMs! > sinceMs && group.keys.has(key)) return group;
    return this.waiting.find(({ keys }) => keys.has(key));
  }

  private gathering(): Group<Value> {
    const last = this.waiting.at(-1);
    if (last && last.keys.size < GROUP_KEYS_MAX) return last;
    const group = newGroup<Value>();
    this.waiting.push(group);
    this.beginSoon();
    return group;
  }

  /** Requests that were read from their sockets in the same turn of the event loop share a group. */
  private beginSoon(): void {
    if (this.beginning) return;
    this.beginning = true;
    setImmediate(() => {
      this.beginning = false;
      while (this.waiting.length > 0 && this.underWay.size < GROUPS_UNDER_WAY_MAX) void this.run(this.waiting.shift()!);
    });
  }

  private async run(group: Group<Value>): Promise<void> {
    this.underWay.add(group);
    group.askedAtMs = performance.now();
    try {
      group.settle.resolve(await this.read([...group.keys]));
    } catch (error) {
      // Those who wait would only find the same, one group after the other.
      for (const failed of [group, ...this.waiting.splice(0)]) failed.settle.reject(error);
    } finally {
      this.underWay.delete(group);
      if (this.waiting.length > 0) this.beginSoon();
    }
  }
}

function newGroup<Value>(): Group<Value> {
  let settle: Group<Value>['settle'];
  const found = new Promise<Map<string, Value>>((resolve, reject) => (settle = { resolve, reject }));
  return { keys: new Set(), askedAtMs: undefined, found, settle: settle! };
}
