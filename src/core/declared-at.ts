// What a config may declare that is also listed for operators, and where in its files: `gateway.config.ts:42`.

export type DeclaredNoun = 'upstream' | 'model' | 'price' | 'group' | 'preset';

/** Undefined where nobody can tell. */
export type DeclaredAt = (noun: DeclaredNoun, name: string) => Promise<string | undefined>;
