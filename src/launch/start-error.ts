/** A reason not to start, in one sentence with the way out; the process exits 1 and prints it without a stack. */
export class StartError extends Error {}
