/**
 * What the three demo vendors sell, one in each dialect: 300 products each, put together from lists of words. The same
 * at every start, because a ledger from yesterday is read against it.
 */
import { createHash } from 'node:crypto';
import type { CatalogueItem, SimulatedVendor } from './catalogue';
import type { DialectName } from './dialects/dialect-name';

/** `[code, words]`: the code goes into the SKU, the words into the name. */
type Word = readonly [code: string, words: string];
/** A product comes in a few models, each dearer than the one before. */
type Product = readonly [code: string, name: string, priceCents: number, models: readonly Word[]];

interface Assortment {
  readonly vendorId: string;
  readonly name: string;
  readonly dialect: DialectName;
  /** What stands before every name. */
  readonly brand: string;
  readonly products: readonly Product[];
  readonly finishes: readonly Word[];
}

/** Plenty, so that a visitor's first orders succeed, and few enough to sell one out by hand. */
const QUANTITY_MIN = 20;
const QUANTITY_MAX = 500;
const MODEL_SURCHARGE = 0.45;

const PERSONS: readonly Word[] = [
  ['1P', 'One-Person'],
  ['2P', 'Two-Person'],
  ['4P', 'Four-Person'],
];
const SEASONS: readonly Word[] = [
  ['SUM', 'Summer'],
  ['3S', 'Three-Season'],
  ['WIN', 'Winter'],
];
const CUTS: readonly Word[] = [
  ['KID', "Children's"],
  ['WOM', "Women's"],
  ['MEN', "Men's"],
];
const LITRES: readonly Word[] = [
  ['25L', '25-Litre'],
  ['45L', '45-Litre'],
  ['65L', '65-Litre'],
];
const SIZES: readonly Word[] = [
  ['S', 'Small'],
  ['M', 'Medium'],
  ['L', 'Large'],
];
const SETS: readonly Word[] = [
  ['X2', 'Set of Two'],
  ['X4', 'Set of Four'],
  ['X6', 'Set of Six'],
];
const SEATS: readonly Word[] = [
  ['1S', 'One-Seat'],
  ['2S', 'Two-Seat'],
  ['3S', 'Three-Seat'],
];
const DIAMETERS: readonly Word[] = [
  ['20', '20 cm'],
  ['24', '24 cm'],
  ['28', '28 cm'],
];

const ASSORTMENTS: readonly Assortment[] = [
  {
    vendorId: 'alpine-outdoor',
    name: 'Alpine Outdoor',
    dialect: 'rest',
    brand: 'Alpine',
    products: [
      ['TENT', 'Tent', 14900, PERSONS],
      ['BIVY', 'Bivouac Shelter', 8900, PERSONS],
      ['SLEEP', 'Sleeping Bag', 7900, SEASONS],
      ['MAT', 'Sleeping Mat', 3490, SEASONS],
      ['PACK', 'Rucksack', 6450, LITRES],
      ['DRYBAG', 'Dry Bag', 1295, LITRES],
      ['SHELL', 'Rain Shell', 9990, CUTS],
      ['FLEECE', 'Fleece Jacket', 5495, CUTS],
      ['BOOT', 'Hiking Boots', 11900, CUTS],
      ['BOTTLE', 'Insulated Bottle', 1890, SIZES],
    ],
    finishes: [
      ['GREEN', 'Forest Green'],
      ['GREY', 'Slate Grey'],
      ['BLUE', 'Glacier Blue'],
      ['RED', 'Signal Red'],
      ['SAND', 'Desert Sand'],
      ['BLACK', 'Night Black'],
      ['OCHRE', 'Autumn Ochre'],
      ['TEAL', 'Lake Teal'],
      ['PLUM', 'Mountain Plum'],
      ['EDEL', 'Edelweiß White'],
    ],
  },
  {
    vendorId: 'nordic-home',
    name: 'Nordic Home',
    dialect: 'wholesale',
    brand: 'Nordic',
    products: [
      ['SOFA', 'Malmö Sofa', 39900, SEATS],
      ['BENCH', 'Tromsø Bench', 15900, SEATS],
      ['LAMP', 'Ålesund Floor Lamp', 8950, SIZES],
      ['PENDANT', 'Århus Pendant Light', 6990, SIZES],
      ['RUG', 'Wool Rug', 12900, SIZES],
      ['THROW', 'Lambswool Throw', 4900, SIZES],
      ['CUSHION', 'Linen Cushion', 1995, SETS],
      ['CHAIR', 'Dining Chair', 11900, SETS],
      ['HOOK', 'Wall Hook', 990, SETS],
      ['SHELF', 'Floating Shelf', 3490, SIZES],
    ],
    finishes: [
      ['OAK', 'Natural Oak'],
      ['SMOKED', 'Smoked Oak'],
      ['BIRCH', 'White Birch'],
      ['ASH', 'Black Ash'],
      ['FOG', 'Fog Grey'],
      ['MOSS', 'Moss Green'],
      ['RUST', 'Rust Red'],
      ['FJORD', 'Fjord Blue'],
      ['OAT', 'Oat Beige'],
      ['SNOW', 'Snow White'],
    ],
  },
  {
    vendorId: 'copper-kitchen',
    name: 'Copper Kitchen',
    dialect: 'feed',
    brand: 'Copper Kitchen',
    products: [
      ['PAN', 'Frying Pan', 5990, DIAMETERS],
      ['SAUTE', 'Sauté Pan', 8490, DIAMETERS],
      ['POT', 'Stock Pot', 9900, DIAMETERS],
      ['CASSEROLE', 'Casserole', 7450, DIAMETERS],
      ['LID', 'Lid', 1890, DIAMETERS],
      ['MUG', 'Moscow Mule Mug', 1450, SETS],
      ['CREME', 'Crème Brûlée Dish', 995, SETS],
      ['KETTLE', 'Whistling Kettle', 4990, SIZES],
      ['BOWL', 'Mixing Bowl', 2290, SIZES],
      ['COLANDER', 'Colander', 2690, SIZES],
    ],
    finishes: [
      ['POLISHED', 'Polished Copper'],
      ['BRUSHED', 'Brushed Copper'],
      ['HAMMERED', 'Hammered Copper'],
      ['ANTIQUE', 'Antique Copper'],
      ['BRASS', 'Brass Handles'],
      ['IRON', 'Cast Iron Handles'],
      ['STEEL', 'Steel Handles'],
      ['TIN', 'Tin Lining'],
      ['BLACK', 'Matte Black'],
      ['ROSE', 'Rosé Gold'],
    ],
  },
];

export const demoVendors: (SimulatedVendor & { readonly catalogue: readonly CatalogueItem[] })[] = ASSORTMENTS.map(
  (assortment) => ({
    vendorId: assortment.vendorId,
    name: assortment.name,
    dialect: assortment.dialect,
    catalogue: catalogueOf(assortment),
  }),
);

function catalogueOf({ vendorId, brand, products, finishes }: Assortment): CatalogueItem[] {
  return products.flatMap(([code, name, priceCents, models]) =>
    models.flatMap(([modelCode, model], rank) =>
      finishes.map(([finishCode, finish]) => ({
        sku: `${code}-${modelCode}-${finishCode}`,
        name: `${brand} ${model} ${name}, ${finish}`,
        quantity: quantityOf(vendorId, `${code}-${modelCode}-${finishCode}`),
        price: decimal(Math.round(priceCents * (1 + rank * MODEL_SURCHARGE))),
      })),
    ),
  );
}

/** Looks random and is not. */
function quantityOf(vendorId: string, sku: string): number {
  const number = createHash('sha256').update(`${vendorId}:${sku}`).digest().readUInt32BE();
  return QUANTITY_MIN + (number % (QUANTITY_MAX - QUANTITY_MIN + 1));
}

function decimal(cents: number): string {
  return `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;
}
