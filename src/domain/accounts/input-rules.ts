// Checks of what is asked of accounts and keys, whoever asks: admin API, self-service, importer or first
// start. The schemas of a face check the form; what is checked here is what the domain relies on. Every
// refusal names its field.

import { bounds } from '../../core/bounds.ts';
import type { EpochMs } from '../../core/clock.ts';
import { TollgateError } from '../../core/errors.ts';
import { NANO_MAX } from '../../core/money.ts';
import type { Nano } from '../../core/money.ts';
import { accountBounds } from './account-bounds.ts';
import { checkRange } from './address-ranges.ts';
import type { AccountDirectory } from './accounts.ts';
import type { BudgetsPatch, LimitsPatch } from './changes.ts';

export function invalid(field: string, rule: string): TollgateError {
  return new TollgateError('invalid_request', { message: `${field}: ${rule}.`, field });
}

/** Line breaks and other controls make one name look like two things, in logs and on pages. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

export function checkName(field: string, name: string | undefined): void {
  if (name === undefined) return;
  if (name.trim() === '' || name.length > bounds.nameLength)
    throw invalid(field, `must have 1 to ${bounds.nameLength} characters`);
  if (CONTROL.test(name) || !name.isWellFormed())
    throw invalid(field, 'must not hold line breaks or other control characters');
}

const EMAIL = /^[^\s@"(),:;<>[\\\]]{1,64}@[^\s@"(),:;<>[\\\]]{1,255}$/;

export function checkEmail(field: string, email: string | null | undefined): void {
  if (email === undefined || email === null) return;
  const wellFormed =
    email.length <= accountBounds.emailLength &&
    EMAIL.test(email) &&
    !CONTROL.test(email) &&
    email.isWellFormed();
  if (!wellFormed)
    throw invalid(field, `must be an e-mail address of at most ${accountBounds.emailLength} characters`);
}

export function checkCurrency(field: string, currency: string | undefined): void {
  if (currency !== undefined && !/^[A-Z]{3}$/.test(currency))
    throw invalid(field, 'must be an ISO 4217 code in capitals, such as USD');
}

export function checkAmount(field: string, amount: Nano | null | undefined): void {
  if (amount === undefined || amount === null) return;
  if (amount < 0n || amount > NANO_MAX) throw invalid(field, `must be from 0 to ${NANO_MAX} nano-units`);
}

export function checkBudgets(field: string, budgets: BudgetsPatch | undefined): void {
  for (const window of ['day', 'month', 'total'] as const)
    checkAmount(`${field}.${window}.capNano`, budgets?.[window]);
}

export function checkLimits(field: string, limits: LimitsPatch | undefined): void {
  checkWhole(`${field}.requestsPerMinute`, limits?.requestsPerMinute, accountBounds.requestsPerMinuteMax);
  checkWhole(`${field}.tokensPerMinute`, limits?.tokensPerMinute, accountBounds.tokensPerMinuteMax);
  checkWhole(`${field}.concurrency`, limits?.concurrency, accountBounds.concurrencyMax);
}

export function checkWhole(field: string, value: number | null | undefined, max: number): void {
  if (value === undefined || value === null) return;
  if (!Number.isSafeInteger(value) || value < 0 || value > max)
    throw invalid(field, `must be a whole number from 0 to ${max}`);
}

/** An empty list would be a key that opens nothing, and is mostly meant as "all": null says that. */
export function checkModels(field: string, models: readonly string[] | null | undefined): void {
  if (models === undefined || models === null) return;
  if (models.length === 0 || models.length > accountBounds.keyModelsMax) {
    throw invalid(field, `must have 1 to ${accountBounds.keyModelsMax} entries; null allows all models`);
  }
  for (const [index, model] of models.entries()) {
    const fits =
      model !== '' && model.length <= bounds.modelNameLength && !CONTROL.test(model) && model.isWellFormed();
    if (!fits)
      throw invalid(
        `${field}[${index}]`,
        `must be a model name of 1 to ${bounds.modelNameLength} characters`,
      );
  }
  if (new Set(models).size !== models.length) throw invalid(field, 'must not name the same model twice');
}

/** The ranges in canonical form. */
export function checkedRanges(
  field: string,
  ranges: readonly string[] | null | undefined,
): readonly string[] | null | undefined {
  if (ranges === undefined || ranges === null) return ranges;
  if (ranges.length === 0 || ranges.length > accountBounds.keyAddressesMax) {
    throw invalid(
      field,
      `must have 1 to ${accountBounds.keyAddressesMax} entries; null allows all addresses`,
    );
  }
  const canonical = ranges.map((text, index) => {
    const check = checkRange(text);
    if (!check.ok) throw invalid(`${field}[${index}]`, check.because);
    return check.range;
  });
  if (new Set(canonical).size !== canonical.length)
    throw invalid(field, 'must not name the same range twice');
  return canonical;
}

/** Year 9999: the last one that ISO 8601 writes with four digits. */
const TIME_MAX: EpochMs = 253_402_300_799_999;

export function checkExpiry(field: string, expiresAt: EpochMs | null | undefined, now: EpochMs): void {
  if (expiresAt === undefined || expiresAt === null) return;
  if (!Number.isSafeInteger(expiresAt) || expiresAt <= now || expiresAt > TIME_MAX) {
    throw invalid(field, 'must lie in the future; delete the key to end it now');
  }
}

export function checkGroupName(field: string, name: string): void {
  if (name.length > accountBounds.groupNameLength || !/^[a-z0-9][a-z0-9._-]*$/.test(name)) {
    throw invalid(
      field,
      `must be 1 to ${accountBounds.groupNameLength} of a-z, 0-9, dot, dash, underscore, first a letter or digit`,
    );
  }
}

export function checkGroup(
  field: string,
  name: string | null | undefined,
  directory: AccountDirectory,
): void {
  if (name === undefined || name === null || directory.group(name) !== undefined) return;
  throw invalid(field, 'names no group of this gateway; create the group first');
}
