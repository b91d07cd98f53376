import { Refusal } from '../../http/refusal';

export class CountTookTooLong extends Refusal {
  readonly code = 'OVERLOADED';
  override readonly headers = { 'retry-after': '60' };

  constructor(msMax: number) {
    super(
      `Counting everything took longer than ${msMax / 1000} s and was ended. The last count, without fresh=true, is answered at once.`,
    );
  }
}
