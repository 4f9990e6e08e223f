// How much of everything an upstream, a model or a price may have, with reasons.

export const catalogBounds = {
  /** Strategies rank all of them at each request, and the plan takes the first few. */
  offersMax: 50,
  groupsMax: 200,
  /** Vendors' keys are 30 to 200 characters, signed tokens up to a few thousand; shorter ones are guessed. */
  credentialLengthMin: 8,
  credentialLengthMax: 4_096,
  /** From this length on, the last four characters tell keys apart without giving much of them away. */
  hintedLengthMin: 16,
  weightMax: 1_000_000,
  priorityMax: 1_000_000,
  tokensMax: 1_000_000_000,
  /** A larger factor is a slip of the keyboard: a thousand times the price. */
  multiplierPpmMax: 1_000_000_000,
  /** One unit of currency for one token: more is a slip of the keyboard, and a full context still fits 64 bits. */
  rateMax: 1_000_000_000_000n,
  /** A million units of currency for one call. */
  perCallNanoMax: 1_000_000_000_000_000n,
  /** Versions of one model that are yet to come. */
  scheduledPricesMax: 100,
} as const;
