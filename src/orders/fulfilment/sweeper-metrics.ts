import { Injectable } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';

@Injectable()
export class SweeperMetrics {
  private readonly messages: Counter;

  constructor(registry: Registry) {
    this.messages = new Counter({
      name: 'holdfast_sweeper_reemitted_total',
      help: 'Messages that were sent again because their order had none: a broker has lost them',
      registers: [registry],
    });
  }

  reemitted(messages: number): void {
    this.messages.inc(messages);
  }
}
