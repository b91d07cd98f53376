/**
 * Whether the staged row `s` moves the price of product `p` by more than half of it, up or down, or to zero. From a price of
 * zero any price is a correction. Asked first whether it moves at all: of a million rows nearly none does.
 */
export const MOVES_WILDLY = '(s.price <> p.price AND p.price > 0 AND abs(s.price - p.price) * 2 > p.price)';
