// Reads a usage record's facts from left to right, as its one writer puts it down: parsing the whole kilobyte costs ten
// times as much. Any byte that is not where it is expected ends the scan, and the parser decides. Text with an escape
// is never taken here; so a key between plain quotes is a key, whatever a client or an upstream put into the values.

import { isInputPart, isOutputPart, type UpstreamCost, type UsageFacts } from './usage-facts.ts';

const QUOTE = 34;
const BACKSLASH = 92;
const ZERO = 48;
const NINE = 57;
const OBJECT_END = 125;
/** Numbers of more digits are left to the parser: this many are exact. */
const DIGITS_MAX = 15;
const noCosts: readonly UpstreamCost[] = [];

/** The text as it lies there, or another equal one: values recur, and a known one needs no new string. */
class Recurring {
  #last = '';

  at(text: string, start: number, end: number): string {
    const last = this.#last;
    if (end - start === last.length && text.startsWith(last, start)) return last;
    return (this.#last = text.slice(start, end));
  }
}

export class UsageScan {
  readonly #accountId = new Recurring();
  readonly #apiKeyId = new Recurring();
  readonly #model = new Recurring();
  readonly #outcome = new Recurring();
  readonly #upstream = new Recurring();
  readonly #attemptUpstream = new Recurring();
  readonly #costCurrency = new Recurring();
  readonly #currency = new Recurring();
  #text = '';
  #at = 0;
  #failed = false;
  #inputTokens = 0;
  #outputTokens = 0;

  /** Undefined: the parser must look. */
  read(text: string): UsageFacts | undefined {
    this.#text = text;
    this.#at = 0;
    this.#failed = false;
    const requestId = this.#fresh('{"requestId":"');
    const accountId = this.#value('","accountId":"', this.#accountId);
    const apiKeyId = this.#value('","apiKeyId":"', this.#apiKeyId);
    if (this.#skip('","userId":"')) this.#skipText();
    if (this.#skip('","group":"')) this.#skipText();
    const admittedAt = this.#number('","admittedAt":');
    const endedAt = this.#number(',"endedAt":');
    if (this.#skip(',"firstByteMs":')) this.#skipNumber();
    this.#passText(',"operation":"');
    this.#passText('","protocol":"');
    const model = this.#value('","model":"', this.#model);
    const stream = this.#skip('","stream":true');
    if (!stream) this.#expect('","stream":false');
    const status = this.#number(',"status":');
    const outcome = this.#value(',"outcome":"', this.#outcome);
    const upstream = this.#skip('","upstream":"') ? this.#textOf(this.#upstream) : undefined;
    this.#expect('","attempts":[');
    const costs = this.#costs();
    this.#tokens();
    this.#jump('"currency":"');
    const currency = this.#textOf(this.#currency);
    this.#jump('"heldNano":"');
    const heldNano = this.#digits();
    const chargeNano = this.#number('","chargeNano":"');
    const lossNano = this.#number('","lossNano":"');
    this.#expect('","address":"');
    if (this.#failed) return undefined;
    return {
      requestId, accountId, apiKeyId, admittedAt, endedAt, model, upstream, stream, status, outcome,
      inputTokens: this.#inputTokens, outputTokens: this.#outputTokens, currency, heldNano, chargeNano, lossNano, costs,
    };
  }

  #costs(): readonly UpstreamCost[] {
    if (this.#skip('],"usage":{')) return noCosts;
    let costs: UpstreamCost[] | undefined;
    while (!this.#failed) {
      this.#expect('{"upstream":"');
      const upstream = this.#textOf(this.#attemptUpstream);
      this.#passText('","provider":"');
      this.#passText('","model":"');
      this.#expect('","startedAt":');
      this.#skipNumber();
      this.#expect(',"durationMs":');
      this.#skipNumber();
      if (this.#skip(',"status":')) this.#skipNumber();
      if (this.#skip(',"fault":"')) {
        this.#skipText();
        this.#expect('"');
      }
      let costNano = 0;
      if (this.#skip(',"costNano":"')) {
        costNano = this.#digits();
        this.#expect('"');
      }
      if (this.#skip(',"costCurrency":"')) {
        const currency = this.#textOf(this.#costCurrency);
        this.#expect('"');
        if (costNano > 0) (costs ??= []).push({ upstream, currency, costNano });
      }
      if (this.#skip('}],"usage":{')) return costs ?? noCosts;
      this.#expect('},');
    }
    return noCosts;
  }

  /** From inside the braces of `usage`. */
  #tokens(): void {
    this.#inputTokens = 0;
    this.#outputTokens = 0;
    if (this.#text.charCodeAt(this.#at) === OBJECT_END) return;
    do {
      if (this.#skip('"input":')) this.#inputTokens += this.#digits();
      else if (this.#skip('"output":')) this.#outputTokens += this.#digits();
      else this.#otherPart();
      if (this.#failed) return;
    } while (this.#skip(','));
    this.#expect('}');
  }

  #otherPart(): void {
    this.#expect('"');
    const start = this.#at;
    this.#skipText();
    const part = this.#text.slice(start, this.#at);
    const count = this.#number('":');
    if (isInputPart(part)) this.#inputTokens += count;
    else if (isOutputPart(part)) this.#outputTokens += count;
  }

  #skip(expected: string): boolean {
    if (!this.#text.startsWith(expected, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  #expect(expected: string): void {
    if (!this.#skip(expected)) this.#failed = true;
  }

  #jump(key: string): void {
    const found = this.#failed ? -1 : this.#text.indexOf(key, this.#at);
    if (found < 0) this.#failed = true;
    else this.#at = found + key.length;
  }

  /** Up to the closing quote. */
  #skipText(): void {
    const text = this.#text;
    for (let at = this.#at; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        this.#at = at;
        return;
      }
      if (code === BACKSLASH) break;
    }
    this.#failed = true;
  }

  #passText(key: string): void {
    this.#expect(key);
    this.#skipText();
  }

  #textOf(recurring: Recurring): string {
    const start = this.#at;
    this.#skipText();
    return this.#failed ? '' : recurring.at(this.#text, start, this.#at);
  }

  #value(key: string, recurring: Recurring): string {
    this.#expect(key);
    return this.#textOf(recurring);
  }

  #fresh(key: string): string {
    this.#expect(key);
    const start = this.#at;
    this.#skipText();
    return this.#text.slice(start, this.#at);
  }

  #number(key: string): number {
    this.#expect(key);
    return this.#digits();
  }

  /** A whole number of one to fifteen digits. What follows it is for the next step to see. */
  #digits(): number {
    const text = this.#text;
    const start = this.#at;
    let at = start;
    let value = 0;
    for (;;) {
      const code = text.charCodeAt(at);
      if (!(code >= ZERO && code <= NINE)) break;
      value = value * 10 + (code - ZERO);
      at += 1;
    }
    const leadingZero = at > start + 1 && text.charCodeAt(start) === ZERO;
    if (at === start || at - start > DIGITS_MAX || leadingZero) this.#failed = true;
    this.#at = at;
    return value;
  }

  /** Any number, up to what cannot be part of one. */
  #skipNumber(): void {
    const text = this.#text;
    let at = this.#at;
    for (;;) {
      const code = text.charCodeAt(at);
      const numeric = (code >= ZERO && code <= NINE) || code === 46 || code === 45 || code === 43 || code === 101;
      if (!numeric) break;
      at += 1;
    }
    if (at === this.#at) this.#failed = true;
    this.#at = at;
  }
}
