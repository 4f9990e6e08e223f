// Identifiers: a prefix that names the noun, an underscore, 32 hexadecimal digits that sort by time (UUID version 7).

export type IdPrefix =
  | 'acc' | 'usr' | 'key' | 'grp' | 'ups' | 'mdl' | 'prc' | 'req' | 'mov' | 'tdv' | 'tac' | 'opk' | 'aud';

export type Id<P extends IdPrefix = IdPrefix> = `${P}_${string}`;

/** Makes identifiers; handed in so that tests are repeatable. */
export type IdSource = <P extends IdPrefix>(prefix: P) => Id<P>;

export const newId: IdSource = (prefix) => `${prefix}_${Bun.randomUUIDv7('buffer').toString('hex')}`;

export type RequestId = Id<'req'>;
export type AccountId = Id<'acc'>;
export type UserId = Id<'usr'>;
export type ApiKeyId = Id<'key'>;
export type GroupId = Id<'grp'>;
export type UpstreamId = Id<'ups'>;
export type PriceVersionId = Id<'prc'>;
export type MovementId = Id<'mov'>;

/** True for a well-formed identifier of that noun; says nothing of whether it exists. */
export function isId<P extends IdPrefix>(prefix: P, text: string): text is Id<P> {
  return text.length <= 64 && text.startsWith(`${prefix}_`) && /^[a-z]{3}_[0-9a-z-]{1,60}$/.test(text);
}
