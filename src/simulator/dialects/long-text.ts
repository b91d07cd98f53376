/** An answer's text in parts, each made when it is sent: a file of a million lines is never held. */
export class LongText {
  constructor(
    readonly parts: number,
    readonly part: (index: number) => string,
  ) {}

  static of(text: string): LongText {
    return new LongText(1, () => text);
  }

  *all(): Generator<string> {
    for (let index = 0; index < this.parts; index++) yield this.part(index);
  }
}

/** Only the first share of it, cut off in the middle of a part. */
export function brokenOff(text: LongText, keepShare: number): LongText {
  const kept = text.parts * keepShare;
  const wholeParts = Math.floor(kept);
  if (wholeParts === text.parts) return text;
  return new LongText(wholeParts + 1, (index) => {
    const part = text.part(index);
    return index < wholeParts ? part : part.slice(0, Math.floor(part.length * (kept - wholeParts)));
  });
}
