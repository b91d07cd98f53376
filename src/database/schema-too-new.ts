/** The database was migrated by a release after this one, whose rules this one would break. */
export class SchemaTooNew extends Error {
  constructor(unknown: string[]) {
    super(`The database has been migrated by a newer release (${unknown.join(', ')}): run that one.`);
  }
}
