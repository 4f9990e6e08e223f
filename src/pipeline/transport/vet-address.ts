// From a host name to addresses that may be dialled. Invariant: an address is dialled only after it was
// judged itself, on every dial anew, so a name that first answers with a public address and then with a
// private one gains nothing.

import { type AddressRule, allowsAddress, classifyAddress, classifyName } from '../../core/addresses.ts';
import type { Clock } from '../../core/clock.ts';

/** All addresses of a name, as literals; rejects or gives none if there are none. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

export type Vetting =
  /** At least one address, IPv4 first: a machine without IPv6 routes is more common than the reverse. */
  | { readonly kind: 'dial'; readonly addresses: readonly string[] }
  | { readonly kind: 'dns' | 'blocked-address'; readonly detail: string };

export interface AddressBook {
  /** Answers at once for literals and for names resolved within the last half minute. Never rejects. */
  vet(hostname: string, rule: AddressRule): Vetting | Promise<Vetting>;
}

export interface AddressBookOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly resolve?: Resolve;
}

/** No longer than Bun itself keeps answers; short enough for an upstream that moves. */
const KEEP_MS = 30_000;
const ENTRIES_MAX = 1_024;
/** More than this many addresses of one name are not tried. */
const DIALS_MAX = 4;

/** The system's resolver, asked for every address of both families. */
export const systemResolve: Resolve = async (hostname) => {
  const answers = await Bun.dns.lookup(hostname, { family: 'any', socketType: 'tcp' });
  return [...new Set(answers.map((answer) => answer.address))];
};

interface Entry {
  readonly addresses: readonly string[];
  readonly untilMs: number;
}

export function createAddressBook(options: AddressBookOptions): AddressBook {
  const resolve = options.resolve ?? systemResolve;
  const known = new Map<string, Entry>();
  const asking = new Map<string, Promise<readonly string[]>>();

  /** Simultaneous dials of one name share one lookup. */
  function lookUp(hostname: string): Promise<readonly string[]> {
    const running = asking.get(hostname);
    if (running !== undefined) return running;
    const lookup = Promise.resolve(hostname).then(resolve).then((addresses) => {
      if (addresses.length > 0) remember(hostname, addresses);
      return addresses;
    }).finally(() => asking.delete(hostname));
    asking.set(hostname, lookup);
    return lookup;
  }

  function remember(hostname: string, addresses: readonly string[]): void {
    known.delete(hostname);
    const oldest = known.size < ENTRIES_MAX ? undefined : known.keys().next().value;
    if (oldest !== undefined) known.delete(oldest);
    known.set(hostname, { addresses, untilMs: options.clock.monotonicMs() + KEEP_MS });
  }

  return {
    vet(hostname, rule) {
      if (classifyAddress(hostname) !== undefined) return judge(hostname, [hostname], rule);
      const byName = classifyName(hostname);
      if (byName === 'metadata' || (byName === 'internal' && rule === 'public')) {
        return { kind: 'blocked-address', detail: `${hostname} is refused by name` };
      }
      const entry = known.get(hostname);
      if (entry !== undefined && options.clock.monotonicMs() < entry.untilMs) {
        return judge(hostname, entry.addresses, rule);
      }
      return lookUp(hostname).then(
        (addresses) => judge(hostname, addresses, rule),
        (reason: unknown): Vetting => ({ kind: 'dns', detail: `${hostname}: ${String(reason)}` }),
      );
    },
  };
}

/** Of mixed answers only the allowed ones are kept. */
function judge(hostname: string, addresses: readonly string[], rule: AddressRule): Vetting {
  if (addresses.length === 0) return { kind: 'dns', detail: `${hostname} has no address` };
  const allowed = addresses.filter((address) => allowsAddress(rule, address));
  if (allowed.length === 0) {
    const some = addresses.slice(0, DIALS_MAX).join(', ');
    return { kind: 'blocked-address', detail: `${hostname} has only ${some}` };
  }
  const isIpv6 = (address: string): number => (address.includes(':') ? 1 : 0);
  return { kind: 'dial', addresses: allowed.toSorted((a, b) => isIpv6(a) - isIpv6(b)).slice(0, DIALS_MAX) };
}
