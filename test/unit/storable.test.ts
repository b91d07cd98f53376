import { cutText, jsonbOf, storableText } from '../../src/database/storable';

describe('storable text', () => {
  it('leaves what is harmless as it is', () => {
    for (const text of ['', 'plain', 'Zürich', '東京', '👩‍👩‍👧 family', 'שלום', '¡Olé!']) {
      expect(storableText(text, 100)).toBe(text);
    }
  });

  it('makes one line of blanks, and names everything else that is unsafe by one mark', () => {
    expect(storableText('a\r\n\tb', 100)).toBe('a b');
    expect(storableText('a\u0085\u2028b', 100)).toBe('a b');
    expect(storableText('a\0\u001b\u009b\u202e\ud83db', 100)).toBe('a�����b');
  });

  it('is never cut within a character', () => {
    expect(storableText('xx🚧', 3)).toBe('xx');
    expect(storableText('xx🚧', 4)).toBe('xx🚧');
    expect(cutText('x🚧y', 2)).toBe('x');
    expect(cutText('x\ud83dy', 2)).toBe('x\ud83d');
  });

  it('is JSON that PostgreSQL takes, with every other escape as it was', () => {
    expect(JSON.parse(jsonbOf({ a: 'x\0\ud83d', b: ['🚧', '\\u0000', '"\n'] }))).toEqual({
      a: 'x��',
      b: ['🚧', '\\u0000', '"\n'],
    });
  });
});
