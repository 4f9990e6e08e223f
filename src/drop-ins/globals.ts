// What a plugin could change for everybody: the globals and what all objects inherit. Looked at before and after, so
// that a drop-in which writes there is found out.

type Holder = readonly [name: string, object: object];

const constructors = [Object, Function, Array, String, Number, BigInt, Promise, Map, Set, RegExp, Date] as const;

const holders: readonly Holder[] = [
  ['globalThis', globalThis],
  ...constructors.flatMap((made): readonly Holder[] => [
    [made.name, made],
    [`${made.name}.prototype`, made.prototype],
  ]),
  ['Uint8Array.prototype', Uint8Array.prototype],
  ['Error', Error],
  ['Error.prototype', Error.prototype],
  ['JSON', JSON],
  ['Math', Math],
  ['Reflect', Reflect],
  ['console', console],
  ['process', process],
  ['crypto', crypto],
  ['Bun', Bun],
];

export type GlobalsPicture = ReadonlyMap<string, ReadonlyMap<string | symbol, PropertyDescriptor>>;

export const pictureGlobals = (): GlobalsPicture =>
  new Map(
    holders.map(([name, object]) => [
      name,
      new Map(
        Reflect.ownKeys(object).flatMap((key): readonly (readonly [string | symbol, PropertyDescriptor])[] => {
          const descriptor = Reflect.getOwnPropertyDescriptor(object, key);
          return descriptor === undefined ? [] : [[key, descriptor]];
        }),
      ),
    ]),
  );

/** What is different now, by name: `Object.prototype.polluted`. */
export function changedGlobals(before: GlobalsPicture): readonly string[] {
  const now = pictureGlobals();
  return [...before].flatMap(([name, members]) => {
    const found = now.get(name) ?? new Map<string | symbol, PropertyDescriptor>();
    const keys = new Set([...members.keys(), ...found.keys()]);
    return [...keys]
      .filter((key) => !same(members.get(key), found.get(key)))
      .map((key) => (name === 'globalThis' ? String(key) : `${name}.${String(key)}`));
  });
}

const same = (one: PropertyDescriptor | undefined, other: PropertyDescriptor | undefined): boolean =>
  one !== undefined &&
  other !== undefined &&
  Object.is(one.value, other.value) &&
  one.get === other.get &&
  one.set === other.set;
