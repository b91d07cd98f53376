import { settledWithin } from '../../../lifecycle/settled-within';

/** Under way at once: declaring a quorum queue takes a broker 10 to 70 ms, so that 1,000 of them take some seconds. */
const AT_ONCE_MAX = 8;
/** Whoever has no answer by then gives its place to the next: one queue without a leader holds up no other. */
export const PATIENCE_MS = 5_000;
/** Unless so many have none. Then the broker answers nobody, and each further question would only cost it a channel. */
const UNANSWERED_MAX = 16;

interface Turn {
  key: string;
  take: () => Promise<void>;
}

/** Lets declarations begin a few at once, in the order they were asked for. */
export class Pacing {
  private waiting: Turn[] = [];
  private underWay = 0;
  private unanswered = 0;

  /** Resolves when the work has settled. The work never rejects. */
  run(key: string, work: () => Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push({ key, take: () => work().finally(resolve) });
      this.begin();
    });
  }

  /** Brings what waits for its turn to the front: it has something to do. */
  hasten(keys: ReadonlySet<string>): void {
    const isHastened = ({ key }: Turn) => keys.has(key);
    if (!this.waiting.some(isHastened)) return;
    this.waiting = [...this.waiting.filter(isHastened), ...this.waiting.filter((turn) => !isHastened(turn))];
  }

  private begin(): void {
    while (this.underWay < AT_ONCE_MAX && this.waiting.length > 0) void this.take(this.waiting.shift()!);
  }

  private async take(turn: Turn): Promise<void> {
    this.underWay += 1;
    const work = turn.take();
    if (!(await settledWithin(PATIENCE_MS, work))) await this.untilAnswered(work);
    else this.underWay -= 1;
    this.begin();
  }

  private async untilAnswered(work: Promise<void>): Promise<void> {
    const givesPlace = this.unanswered < UNANSWERED_MAX;
    this.unanswered += 1;
    if (givesPlace) this.underWay -= 1;
    this.begin();
    await work;
    this.unanswered -= 1;
    if (!givesPlace) this.underWay -= 1;
  }
}
