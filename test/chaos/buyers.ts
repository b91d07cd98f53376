import { setTimeout as pause } from 'node:timers/promises';
import { oneOf, type Random } from '../support/random';
import { Shopper } from '../support/shopper';
import { type Purchase, type Result, resultOf } from './history';
import { BUYERS } from './settings';
import type { World } from './world/world';

/** A client gives up waiting for an answer. */
const ANSWER_MS_MAX = 5_000;
/** Before a request is made again. */
const REPEAT_MS = 100;
/** After the load ends, a buyer with a key still wants to know. */
const PERSISTENCE_MS = 60_000;
const SHARES = { withoutKey: 0.15, checkout: 0.1, cancelled: 0.06 };

/** Buyers who buy one thing after the other, from either API, and write down what they hear. */
export class Buyers {
  readonly purchases: Purchase[] = [];
  private over = false;
  private readonly buying: Promise<void>[];
  private readonly shoppers: Shopper[];

  constructor(
    private readonly world: World,
    private readonly random: Random,
    private readonly round: string,
    private readonly pauseMsMax: number,
  ) {
    this.shoppers = world.apis.map(({ url }) => new Shopper(url, world.apiKey, BUYERS));
    this.buying = Array.from({ length: BUYERS }, () => this.buyOnAndOn());
  }

  /** Resolves when every purchase under way has its answer, or was given up. */
  async stop(): Promise<void> {
    this.over = true;
    await Promise.all(this.buying);
    await Promise.all(this.shoppers.map((shopper) => shopper.close()));
  }

  private async buyOnAndOn(): Promise<void> {
    while (!this.over) {
      const purchase = this.choose();
      this.purchases.push(purchase);
      await this.buy(purchase);
      if (this.random() < SHARES.cancelled) await this.cancel(purchase);
      await pause(this.random() * this.pauseMsMax);
    }
  }

  private choose(): Purchase {
    const line = () => ({
      productId: oneOf(this.world.productIds, this.random),
      quantity: 1 + Math.floor(this.random() * 3),
    });
    const [first, second] = [line(), line()];
    const several = this.random() < SHARES.checkout && first.productId !== second.productId;
    return {
      key: this.random() < SHARES.withoutKey ? undefined : `${this.round}-${this.purchases.length}`,
      lines: several ? [first, second] : [first],
      results: [],
      cancelled: false,
    };
  }

  /** With a key a client stays with its purchase until it has a definite answer. */
  private async buy(purchase: Purchase): Promise<void> {
    let patientUntil = Infinity;
    for (let api = this.random() < 0.5 ? 0 : 1; ; api = 1 - api) {
      const result = await this.ask(this.shoppers[api]!, purchase);
      purchase.results.push(result);
      const decided = result.kind === 'created' || result.kind === 'refused';
      if (decided || purchase.key === undefined) return;
      if (this.over) patientUntil = Math.min(patientUntil, performance.now() + PERSISTENCE_MS);
      if (performance.now() > patientUntil) return;
      await pause(REPEAT_MS);
    }
  }

  private async ask(shopper: Shopper, { key, lines }: Purchase): Promise<Result> {
    const asked =
      lines.length === 1 ? shopper.ask('/v1/orders', lines[0]!, key) : shopper.ask('/v1/checkouts', { lines }, key);
    const answer = await Promise.race([asked, pause(ANSWER_MS_MAX, { silence: 'no answer' })]);
    return 'silence' in answer ? { kind: 'unknown', why: answer.silence } : resultOf(answer);
  }

  /** Whatever comes of it: the order's own end tells. */
  private async cancel(purchase: Purchase): Promise<void> {
    const result = purchase.results.at(-1);
    if (result?.kind !== 'created') return;
    purchase.cancelled = true;
    for (const orderId of result.orderIds) {
      await fetch(`${oneOf(this.world.apis, this.random).url}/v1/orders/${orderId}/cancel`, {
        method: 'POST',
        headers: { authorization: `Bearer ${this.world.apiKey}` },
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      }).catch(() => undefined);
    }
  }
}
