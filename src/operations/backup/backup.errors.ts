/** Why nothing was backed up or restored, as a sentence that names the way out; printed as it stands. */
export class BackupError extends Error {}
