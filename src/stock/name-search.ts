/**
 * What is indexed of a name (see the migration product-search): lower case, and each byte beyond ASCII as three digits.
 * Different names can become the same text, the same name never two.
 */
const indexed = (text: string): string =>
  String.raw`replace(encode(replace(lower(${text}), '\', '\\')::bytea, 'escape'), '\', '')`;

/**
 * Whether the index can find a text, which it does by three characters in a row; the beginning and the end of a word count as
 * one. A letter beyond ASCII has more than three. For any other text a vendor's products would be read one by one.
 */
export const SEARCHABLE = /[^\0-\x7f]|[a-z0-9]{3}|[^a-z0-9][a-z0-9]|[a-z0-9]{2}[^a-z0-9]/i;

const escaped = (text: string): string => String.raw`replace(replace(${text}, '%', '\%'), '_', '\_')`;

/**
 * Whether the name of product `p` contains the text of a parameter, whatever its case, as SQL: the index finds those that
 * may, and the name itself decides.
 */
export const nameContainsSql = (parameter: string): string =>
  `${indexed('p.name')} LIKE '%' || ${escaped(indexed(`${parameter}::varchar`))} || '%'
   AND strpos(lower(p.name), lower(${parameter}::varchar)) > 0`;
