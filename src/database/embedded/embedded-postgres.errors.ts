/** Why the embedded server cannot run, as one sentence that names the way out; printed to the user as it stands. */
export class EmbeddedPostgresError extends Error {
  constructor(sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.name = new.target.name;
  }
}

/** Another live process runs its server on this data directory. That one is never touched. */
export class DataDirectoryInUse extends EmbeddedPostgresError {
  constructor(
    readonly dataDir: string,
    readonly pid: number,
    /** Missing while that process is still starting. */
    readonly apiUrl: string | undefined,
  ) {
    const whereabouts = apiUrl === undefined ? 'which is still starting' : `which answers at ${apiUrl}`;
    super(
      `The data directory ${dataDir} is in use by process ${pid}, ${whereabouts}; ` +
        'stop that process first, or set HOLDFAST_DATA_DIR to another directory.',
    );
  }
}
