// What the doctor says: what is so, why it matters, what to do. Never a secret; names of variables, not their values.

export interface Finding {
  /** `wrong`: it does not work, or money or keys are in danger. `risky`: it works until it does not. `good`: fine. */
  readonly level: 'wrong' | 'risky' | 'good';
  /** Flag, file or part of the machine. */
  readonly about: string;
  readonly what: string;
  /** Left out where nothing is amiss. */
  readonly why?: string;
  readonly remedy?: string;
}

export const wrong = (about: string, what: string, why: string, remedy: string): Finding => ({
  level: 'wrong', about, what, why, remedy,
});
export const risky = (about: string, what: string, why: string, remedy: string): Finding => ({
  level: 'risky', about, what, why, remedy,
});
export const good = (about: string, what: string): Finding => ({ level: 'good', about, what });

const order = ['wrong', 'risky', 'good'] as const;
const marks = { wrong: 'WRONG', risky: 'risky', good: 'good ' } as const;

export function findingsText(findings: readonly Finding[]): string {
  const lines = order.flatMap((level) =>
    findings
      .filter((finding) => finding.level === level)
      .flatMap(({ about, what, why, remedy }) => [
        `${marks[level]}  ${about}: ${what}`,
        ...(why === undefined ? [] : [`       why: ${why}`]),
        ...(remedy === undefined ? [] : [`       do:  ${remedy}`]),
      ]),
  );
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length;
  const summary =
    count('wrong') + count('risky') === 0
      ? 'Nothing is wrong.'
      : `${count('wrong')} wrong, ${count('risky')} risky, ${count('good')} good`;
  return `${lines.join('\n')}\n\n${summary}\n`;
}
