/**
 * What is indexed of a name (see the migration product-search): lower case, and each byte beyond ASCII as three digits.
 * Different names can become the same text, the same name never two.
 */
const indexed = (text: string): string =>
  String.raw`replace(encode(replace(lower(${text}), '\', '\\')::bytea, 'escape'), '\', '')`;

const escaped = (text: string): string => String.raw`replace(replace(${text}, '%', '\%'), '_', '\_')`;

/**
 * Whether the name of product `p` contains the text of a parameter, whatever its case, as SQL: the index finds those that
 * may, and the name itself decides. In a text of less than three letters there is nothing for the index to find.
 */
export const nameContainsSql = (parameter: string): string =>
  `${indexed('p.name')} LIKE '%' || ${escaped(indexed(`${parameter}::varchar`))} || '%'
   AND strpos(lower(p.name), lower(${parameter}::varchar)) > 0`;
