/** What a vendor can speak; it is also the `kind` it is registered with. */
export const DIALECTS = ['rest', 'wholesale', 'feed'] as const;

export type DialectName = (typeof DIALECTS)[number];
