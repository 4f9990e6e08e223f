// The reply to a trial of an upstream: gathered up to a bound, read for whether it is an answer, and shown as far as an
// operator may see it. The upstream knows the credential and may send it back, so it is cut out in every form.

import { createRedactor } from '../core/secrets.ts';
import type { ProtocolName } from '../plugin/operations.ts';
import { protocolOf } from '../protocols/protocols.ts';
import { isAnswer, isEncoded } from './is-answer.ts';
import type { TransportFault, UpstreamHeaders, UpstreamSink } from './transport/transport.ts';

export interface TrialReply {
  readonly status: number | undefined;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  /** More came than is read. */
  readonly cut: boolean;
  readonly fault: TransportFault | undefined;
}

export class TrialSink implements UpstreamSink {
  readonly reply: Promise<TrialReply>;
  readonly #resolve: (reply: TrialReply) => void;
  readonly #bytesMax: number;
  readonly #pieces: Uint8Array[] = [];
  #size = 0;
  #status: number | undefined;
  #headers: ReadonlyMap<string, string> = new Map();

  constructor(bytesMax: number) {
    const { promise, resolve } = Promise.withResolvers<TrialReply>();
    this.reply = promise;
    this.#resolve = resolve;
    this.#bytesMax = bytesMax;
  }

  head(status: number, headers: UpstreamHeaders): void {
    this.#status = status;
    this.#headers = new Map(headers.entries());
  }

  data(chunk: Uint8Array): boolean {
    const room = this.#bytesMax - this.#size;
    this.#pieces.push(chunk.length > room ? chunk.slice(0, room) : chunk);
    this.#size += Math.min(chunk.length, room);
    if (chunk.length <= room) return true;
    this.#over(true, undefined);
    return false;
  }

  end(): void {
    this.#over(false, undefined);
  }

  fail(fault: TransportFault): void {
    this.#over(false, fault);
  }

  #over(cut: boolean, fault: TransportFault | undefined): void {
    const body = Buffer.concat(this.#pieces);
    this.#resolve({ status: this.#status, headers: this.#headers, body, cut, fault });
  }
}

/** Whether a success holds what was asked for, as it must for customers. */
export function holdsAnswer(protocol: ProtocolName, { body, cut, headers }: TrialReply): boolean {
  return !cut && !isEncoded(headers) && isAnswer(protocolOf(protocol).readReply(body), body);
}

const EXCERPT_LENGTH = 500;
const CUT_OUT = '[redacted]';
/** What is not seen, but may stand between two halves of a credential or turn the direction of the text. */
const UNSEEN = /\p{Cf}+/gu;
const CONTROLS = /[\p{Cc}\u2028\u2029\ufffd]+/gu;

/** Undefined where nothing came, or nothing readable. */
export function excerptOf({ body, headers, fault }: TrialReply, credential: string | undefined): string | undefined {
  if (body.length === 0 || isEncoded(headers) || fault !== undefined) return undefined;
  const redactor = createRedactor();
  if (credential !== undefined) redactor.register(credential);
  const shown = new TextDecoder().decode(body).replace(UNSEEN, '').replace(CONTROLS, ' ');
  const clean = withoutParts(redactor.redact(shown), credential ?? '');
  return clean.length > EXCERPT_LENGTH ? `${clean.slice(0, EXCERPT_LENGTH)}...` : clean;
}

/** Vendors write part of a key into their refusals: what is as long as this is cut out, too. */
const PART_LENGTH = 6;

function withoutParts(text: string, credential: string): string {
  const parts = new Set<string>();
  for (let at = 0; at + PART_LENGTH <= credential.length; at += 1) parts.add(credential.slice(at, at + PART_LENGTH));
  if (parts.size === 0) return text;
  let kept = '';
  for (let at = 0; at < text.length; ) {
    let end = at;
    if (parts.has(text.slice(at, at + PART_LENGTH))) {
      end = at + PART_LENGTH;
      while (parts.has(text.slice(end - PART_LENGTH + 1, end + 1))) end += 1;
    }
    kept += end > at ? CUT_OUT : (text[at] ?? '');
    at = Math.max(end, at + 1);
  }
  return kept;
}
