/**
 * Asks for the next piece while the present one is worked on, one ahead and no more: a vendor's time and the database's
 * then pass together. A reader that stops early leaves at most one call to its own end.
 */
export async function* readAhead<Piece>(source: AsyncIterable<Piece>): AsyncIterable<Piece> {
  const pieces = source[Symbol.asyncIterator]();
  try {
    let next = pieces.next();
    for (;;) {
      const piece = await next;
      if (piece.done) return;
      next = pieces.next();
      // Its failure is met above; this only says that nobody may be there to meet it.
      next.catch(() => undefined);
      yield piece.value;
    }
  } finally {
    pieces.return?.().catch(() => undefined);
  }
}
