// Makes, lists and revokes operator keys, and finds them by hash for the guard, from memory. A change is on the disk
// before it holds.

import type { Clock } from '../../core/clock.ts';
import type { IdSource } from '../../core/ids.ts';
import { generateKey, hintOf, sha256Hex, type RandomBytes } from '../../core/secrets.ts';
import type { AuditTables } from '../../store/schema/accounts.ts';
import type { OperatorTables } from '../../store/schema/operators.ts';
import type { SqlFile } from '../../store/sql-file.ts';
import { conflict, createTurns, notFound } from '../accounts/accounts-context.ts';
import { checkExpiry, checkName, invalid } from '../accounts/input-rules.ts';
import { changeText } from '../audit/audit.ts';
import { createOperatorKeysStore } from './operator-keys-store.ts';
import { operatorScopes, type NewOperatorKey, type OperatorKey, type OperatorKeyId } from './operators.ts';

/** Keys that work at a time: each person and each program its own, and no more than can be looked through. */
const LIVE_MAX = 100;

export interface OperatorKeysService {
  /** `key` is shown here and nowhere else. */
  create(actor: string, input: NewOperatorKey): Promise<{ readonly operatorKey: OperatorKey; readonly key: string }>;
  /** Newest first, revoked ones included. */
  list(): readonly OperatorKey[];
  get(id: OperatorKeyId): OperatorKey | undefined;
  /** Works no more once this resolves. Repeatable. */
  revoke(actor: string, id: OperatorKeyId): Promise<OperatorKey>;
  /** One that works now, by the lower-case hex SHA-256 of the whole key. */
  find(sha256: string): OperatorKey | undefined;
}

export interface OperatorKeysOptions {
  readonly file: SqlFile<OperatorTables & AuditTables>;
  readonly clock: Clock;
  readonly newId: IdSource;
  readonly randomBytes: RandomBytes;
}

/** At opening, before anything writes. */
export function createOperatorKeysService(options: OperatorKeysOptions): OperatorKeysService {
  const { clock, newId, randomBytes } = options;
  const store = createOperatorKeysStore(options.file);
  const turn = createTurns();
  const known = new Map(store.all().map((key) => [key.sha256, key]));
  const isLive = ({ revokedAt, expiresAt }: OperatorKey): boolean =>
    revokedAt === undefined && (expiresAt === undefined || expiresAt > clock.now());
  const get = (id: OperatorKeyId) => [...known.values()].find((key) => key.id === id);

  async function create(actor: string, input: NewOperatorKey) {
    const at = clock.now();
    checkName('name', input.name);
    checkExpiry('expiresAt', input.expiresAt, at);
    const scopes = operatorScopes.filter((scope) => input.scopes.includes(scope));
    if (scopes.length === 0) throw invalid('scopes', `must name at least one of ${operatorScopes.join(', ')}`);
    if ([...known.values()].filter(isLive).length >= LIVE_MAX)
      throw conflict(`at most ${LIVE_MAX} operator keys work at a time; delete one first`);
    const key = generateKey('operator-key', randomBytes);
    const operatorKey: OperatorKey = {
      id: newId('opk'),
      name: input.name,
      sha256: sha256Hex(key),
      hint: hintOf(key),
      scopes,
      createdAt: at,
      expiresAt: input.expiresAt,
      revokedAt: undefined,
    };
    await store.insert(operatorKey, {
      at,
      actor,
      action: 'operator-key.create',
      target: `operator-key/${operatorKey.id}`,
      change: changeText({ ...input, scopes }, ['name']),
    });
    known.set(operatorKey.sha256, operatorKey);
    return { operatorKey, key };
  }

  async function revoke(actor: string, id: OperatorKeyId): Promise<OperatorKey> {
    const current = get(id);
    if (current === undefined) throw notFound('operator key');
    if (current.revokedAt !== undefined) return current;
    const at = clock.now();
    const target = `operator-key/${id}`;
    await store.revoke(id, at, { at, actor, action: 'operator-key.delete', target, change: '{}' });
    const revoked = { ...current, revokedAt: at };
    known.set(current.sha256, revoked);
    return revoked;
  }

  return {
    create: (actor, input) => turn(() => create(actor, input)),
    list: () => [...known.values()].toReversed(),
    get,
    revoke: (actor, id) => turn(() => revoke(actor, id)),
    find(sha256) {
      const key = known.get(sha256);
      return key !== undefined && isLive(key) ? key : undefined;
    },
  };
}
