// The simulator's own errors, in OpenAI's shape.

/** A request that is refused; becomes an error body. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string | null;
  readonly param: string | null;

  constructor(message: string, options: { status?: number; code?: string; param?: string } = {}) {
    super(message);
    this.name = 'Refusal';
    this.status = options.status ?? 400;
    this.code = options.code ?? null;
    this.param = options.param ?? null;
  }
}
