import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config';
import { Overloaded } from '../orders.errors';

/** Orders that may wait for their transaction; at some hundreds a second this is the longest wait worth having. */
const WAITING_MAX = 1000;
/** Connections that stay free for reads and keys while placement is busy. */
const SPARE_CONNECTIONS = 2;

/**
 * Lets in as many placements as there are database connections for them; the others wait here in arrival order. A
 * flash sale's thousand requests would otherwise wait for the pool, whose patience is short, and crowd out the reads.
 */
@Injectable()
export class Admission {
  private readonly placesMax: number;
  private inside = 0;
  private readonly waiting: (() => void)[] = [];

  constructor({ databasePoolMax }: Config) {
    this.placesMax = Math.max(1, databasePoolMax - SPARE_CONNECTIONS);
  }

  /** Throws `Overloaded`, at once, where too many wait already. */
  async admit<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.inside >= this.placesMax) await this.wait();
    else this.inside += 1;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      // A place is handed on rather than given back, so that nobody overtakes.
      if (next) next();
      else this.inside -= 1;
    }
  }

  private wait(): Promise<void> {
    if (this.waiting.length >= WAITING_MAX) throw new Overloaded();
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}
