import { StringDecoder } from 'node:string_decoder';
import { VendorCallFailed } from './vendor-adapter';
import { type Fields, fieldsIn } from './vendor-answer';

/** A product's line has some hundred characters; a file without line ends must not stand in memory. */
const LINE_LENGTH_MAX = 64 * 1024;

/** The objects of an NDJSON stream, those of one chunk at a time: a promise for each of a million lines would be slow. */
export async function* ndjsonObjects(chunks: AsyncIterable<Buffer>): AsyncGenerator<Fields[], undefined> {
  const decoder = new StringDecoder('utf8');
  let lines = 0;
  let rest = '';
  for await (const chunk of chunks) {
    const text = rest + decoder.write(chunk);
    const objects: Fields[] = [];
    let start = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      lines += 1;
      const line = text.slice(start, end);
      if (line.trim() !== '') objects.push(objectIn(line, lines));
      start = end + 1;
    }
    rest = text.slice(start);
    if (rest.length > LINE_LENGTH_MAX) throw tooLong(lines + 1);
    if (objects.length > 0) yield objects;
  }
  rest += decoder.end();
  if (rest.trim() !== '') yield [objectIn(rest, lines + 1)];
}

function objectIn(line: string, number: number): Fields {
  if (line.length > LINE_LENGTH_MAX) throw tooLong(number);
  const fields = fieldsIn(line);
  if (!fields) throw new VendorCallFailed(`stock: line ${number} of the file is not a JSON object`);
  return fields;
}

function tooLong(number: number): VendorCallFailed {
  return new VendorCallFailed(`stock: line ${number} of the file is longer than ${LINE_LENGTH_MAX} characters`);
}
