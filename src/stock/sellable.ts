/**
 * What an order placed now could get of product `p` of vendor `v`, as SQL: the one place where it is said, for those who
 * read and for placement under its lock. `stale`: whether the vendor's picture is (see `staleSql`); what is then sold is
 * the vendor's own setting.
 */
export const sellableSql = (stale: string): string => `CASE
  WHEN NOT (p.listed AND v.enabled) THEN 0
  WHEN v.stale_stock_policy = 'sell' OR NOT (${stale}) THEN p.stock_quantity
  WHEN v.stale_stock_policy = 'buffer' THEN GREATEST(p.stock_quantity - v.stale_stock_buffer, 0)
  ELSE 0 END`;

/** Whether nothing of vendor `v` is sold until it is polled again. */
export const blockedSql = (stale: string): string => `(v.stale_stock_policy = 'block' AND ${stale})`;
