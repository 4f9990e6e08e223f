// Why a process could not be replaced. Written for the operator.

export class HandoverError extends Error {
  override readonly name = 'HandoverError';
}

/** Nor can it go on serving: the successor failed, and the ledger could not be opened again. */
export class BooksLostError extends Error {
  override readonly name = 'BooksLostError';
}
