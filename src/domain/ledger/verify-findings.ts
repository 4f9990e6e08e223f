// What `verify` found wrong. Every fault names its invariant and the row; a broken row never hides the next one.

export interface VerifyFault {
  /** `I1` … as RELIABILITY numbers them, `columns`, `file`, `journal`, `spend`. */
  readonly invariant: string;
  /** The request, movement or address at fault. */
  readonly id: string;
  readonly message: string;
}

const FAULTS_KEPT = 1_000;

export class Findings {
  readonly faults: VerifyFault[] = [];
  count = 0;

  add(invariant: string, id: string, message: string): void {
    this.count += 1;
    if (this.faults.length < FAULTS_KEPT) this.faults.push({ invariant, id, message });
  }

  /** One broken row must not hide the others. */
  guard<T>(invariant: string, id: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.add(invariant, id, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }
}
