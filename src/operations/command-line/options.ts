import { InvalidArgumentError, Option } from 'commander';
import { LISTED_MAX } from './session';

const LISTED_DEFAULT = 50;

export function limitOption(): Option {
  return new Option('--limit <rows>', `rows listed at most, up to ${LISTED_MAX}`)
    .default(LISTED_DEFAULT)
    .argParser((text) => {
      const rows = Number(text);
      if (/^\d{1,5}$/.test(text) && rows >= 1 && rows <= LISTED_MAX) return rows;
      throw new InvalidArgumentError(`Expected a whole number from 1 to ${LISTED_MAX}.`);
    });
}

export function vendorOption(): Option {
  return new Option('--vendor <vendorId>', 'only of this vendor');
}

export function noteOption(): Option {
  return new Option('--note <text>', 'why; kept with it').makeOptionMandatory();
}

/** Commander's `--no-…` sets it to false. */
export function noWaitOption(): Option {
  return new Option('--no-wait', 'do not wait for its end');
}
