// Calendar periods in which spending is counted, by UTC: days and months since 1970, and the one period of `total`.

const DAY_MS = 86_400_000;

export const dayOf = (atMs: number): number => Math.floor(atMs / DAY_MS);

export function monthOfDay(day: number): number {
  const date = new Date(day * DAY_MS);
  return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
}

export type SpendWindow = 'day' | 'month' | 'total';

export function periodOf(window: SpendWindow, atMs: number): number {
  switch (window) {
    case 'day': return dayOf(atMs);
    case 'month': return monthOfDay(dayOf(atMs));
    case 'total': return 0;
  }
}
