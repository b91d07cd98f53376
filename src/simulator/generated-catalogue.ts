/**
 * A catalogue of any size that is nowhere held: every item follows from its number and the seed. SKUs rise with the
 * number, so the listing's order needs no sorting; names are words that shoppers search for.
 */
import type { CatalogueItem } from './catalogue';
import type { Catalogue } from './shelves';

/** Seven digits keep the order of a million SKUs that of their numbers. */
const NUMBER_DIGITS = 7;
const QUANTITY_MAX = 500;
const PRICE_CENTS_MIN = 199;
const PRICE_CENTS_MAX = 79_999;

const BRANDS = 'Alder,Birchwood,Cobalt,Dunmore,Eastgate,Fjordline,Granite,Hartwell,Ironbridge,Juniper,Kestrel'
  .concat(',Lindqvist,Marlow,Northwind,Oakhurst,Pinewood,Quarry,Redfern,Sølund,Thornbury,Upland,Vestberg,Winslow')
  .split(',');
const QUALITIES = 'Compact,Classic,Folding,Heavy-Duty,Insulated,Lightweight,Modular,Padded,Professional,Quilted'
  .concat(',Rechargeable,Reinforced,Slim,Stackable,Telescopic,Thermal,Travel,Ultralight,Waterproof,Wireless')
  .split(',');
const PRODUCTS = 'Backpack,Bath Towel,Bench Vice,Bicycle Pump,Blender,Bookshelf,Camping Stove,Chef Knife,Coffee Grinder'
  .concat(',Cordless Drill,Cutting Board,Desk Lamp,Dining Chair,Duvet Cover,Extension Lead,Floor Mat,Frying Pan')
  .concat(',Garden Hose,Hand Saw,Headphones,Hiking Boots,Jacket,Kettle,Keyboard,Laundry Basket,Lunch Box,Mixing Bowl')
  .concat(',Monitor Stand,Office Chair,Picture Frame,Pillow,Rain Coat,Sleeping Bag,Socket Set,Storage Box,Tent')
  .concat(',Toolbox,Torch,Umbrella,Vacuum Flask,Wall Clock,Water Bottle,Wool Blanket,Work Gloves,Yoga Mat')
  .split(',');
const COLOURS = [
  ['BLK', 'Black'],
  ['BLU', 'Navy Blue'],
  ['BRN', 'Walnut Brown'],
  ['CRM', 'Cream'],
  ['GRN', 'Forest Green'],
  ['GRY', 'Slate Grey'],
  ['RED', 'Crimson Red'],
  ['SLV', 'Silver'],
  ['WHT', 'Pearl White'],
  ['YLW', 'Mustard Yellow'],
] as const;
const SIZES = ['Small', 'Medium', 'Large', 'Extra Large'];

export function generatedCatalogue(count: number, seed: number): Catalogue {
  const sku = (row: number) => `${String(row).padStart(NUMBER_DIGITS, '0')}-${colourOf(mix(row, seed))[0]}`;
  return { size: count, sku, item: (row) => itemOf(sku(row), mix(row, seed)) };
}

function itemOf(sku: string, dice: number): CatalogueItem {
  const more = mix(dice, 1);
  const name = `${pick(BRANDS, more)} ${pick(QUALITIES, more >>> 6)} ${pick(PRODUCTS, more >>> 12)}`;
  const cents = PRICE_CENTS_MIN + (mix(dice, 2) % (PRICE_CENTS_MAX - PRICE_CENTS_MIN + 1));
  return {
    sku,
    name: `${name}, ${colourOf(dice)[1]}, ${pick(SIZES, more >>> 24)}`,
    quantity: mix(dice, 3) % (QUANTITY_MAX + 1),
    price: `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`,
  };
}

function colourOf(dice: number): readonly [code: string, words: string] {
  return pick(COLOURS, dice >>> 4);
}

function pick<T>(list: readonly T[], dice: number): T {
  return list[dice % list.length] as T;
}

/** The finalizer of MurmurHash3 over both: numbers that follow each other give dice that do not. */
export function mix(number: number, seed: number): number {
  let mixed = Math.imul(number ^ Math.imul(seed + 1, 0x9e37_79b1), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
