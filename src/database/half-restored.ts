/** A restore puts back last what the database was migrated by: this one has its tables, and may not be used yet. */
export class HalfRestored extends Error {
  constructor() {
    super(
      'A restore into this database is under way, or was broken off: then drop the database and restore into a new one.',
    );
  }
}
