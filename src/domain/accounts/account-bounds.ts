// How much of everything an account, a group or an API key may have, with reasons.

export const accountBounds = {
  /** An RFC 5321 address is no longer. */
  emailLength: 254,
  /** Groups are named in configs, prices and records: short and plain. */
  groupNameLength: 64,
  /** A larger factor is a slip of the keyboard: a thousand times the price. */
  multiplierPpmMax: 1_000_000_000,
  /** Above these a limit limits nothing that one machine could serve. */
  requestsPerMinuteMax: 100_000_000,
  tokensPerMinuteMax: 1_000_000_000_000,
  concurrencyMax: 1_000_000,
  /** Lists are read at every request of their key. */
  keyModelsMax: 500,
  keyAddressesMax: 100,
  /** Keys that open /v1 at the same time for one account: a key per person of a large company. */
  liveKeysPerAccountMax: 10_000,
  /** Memberships of one user, and members of one account. */
  membershipsPerUserMax: 200,
  /** How long the old key works on after a rotation: by default, and at most. */
  overlapSecondsDefault: 86_400,
  overlapSecondsMax: 30 * 86_400,
} as const;
