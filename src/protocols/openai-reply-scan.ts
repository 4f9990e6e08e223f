// Reads what the gateway must know out of a reply or a stream event in OpenAI's form: by structure, never by
// search, so that no text, tool argument or tool name can pass for a usage block. One pass over the bytes;
// nothing is parsed.

import { bounds } from '../core/bounds.ts';
import { decodedLength, equalBytes, stringEnd } from '../core/json-cursor.ts';

const encoder = new TextEncoder();

/** What a key announces of the value behind it. */
const enum Role {
  Nothing,
  Usage,
  Error,
  Groq,
  Choices,
  Data,
  Message,
  Finish,
  Content,
  Counted,
  Reasoning,
  Calls,
  Audio,
}

/**
 * What the innermost open bracket belongs to. All below `Other`, `Parts`, `Calls` and `Audio` belongs to
 * them, too.
 */
const enum Inside {
  Other,
  Reply,
  Groq,
  Choices,
  Choice,
  Message,
  Parts,
  Calls,
  Audio,
}

interface Key {
  readonly bytes: Uint8Array;
  readonly role: Role;
}
type Keys = readonly Key[];

const keys = (roles: Readonly<Record<string, Role>>): Keys =>
  Object.entries(roles).map(([key, role]) => ({ bytes: encoder.encode(key), role }));

const replyKeys = keys({
  choices: Role.Choices,
  usage: Role.Usage,
  error: Role.Error,
  x_groq: Role.Groq,
  data: Role.Data,
});
const groqKeys = keys({ usage: Role.Usage });
const choiceKeys = {
  message: keys({ delta: Role.Message, finish_reason: Role.Finish, message: Role.Message }),
  text: keys({ text: Role.Counted, finish_reason: Role.Finish }),
} as const;
const messageKeys = keys({
  content: Role.Content,
  reasoning_content: Role.Reasoning,
  reasoning: Role.Reasoning,
  refusal: Role.Counted,
  tool_calls: Role.Calls,
  function_call: Role.Calls,
  audio: Role.Audio,
});
const partKeys = keys({ text: Role.Counted, thinking: Role.Counted });
const callKeys = keys({ name: Role.Counted, arguments: Role.Counted, input: Role.Counted });
const audioKeys = keys({ transcript: Role.Counted });
const errorText = encoder.encode('error');
const nullText = encoder.encode('null');
const noKeys: Keys = [];

/** Where a choice has what it produced: in a message (or its delta), or in `text` (legacy completions). */
export type ContentPlace = 'message' | 'text';

/** One scanner is reused for many texts; its findings are of the last one. */
export class ReplyScanner {
  /** Where the usage object stands; -1 if there is none. The protocol's own goes before a vendor's copy. */
  usageStart = -1;
  usageEnd = -1;
  /**
   * Where a top-level `"usage":null` stands, with the comma that goes if it does; both -1 if there is none. All else
   * is the same JSON without it.
   */
  nullUsageStart = -1;
  nullUsageEnd = -1;
  /** A top-level `error` that says something. */
  error = false;
  /** Choices in the reply; -1 if it has no such list. */
  choices = -1;
  /** Choices that produced something, and all bytes that they produced, escapes resolved. */
  choicesWithContent = 0;
  contentBytes = 0;
  /** Choices with a finish reason; of these, those that finished in an error. */
  finished = 0;
  finishedInError = 0;
  /** True if the reply has a `data` list, as embeddings do. */
  data = false;

  /** Strings that were counted as content, and where the last one stands. */
  texts = 0;
  textStart = 0;
  textEnd = 0;

  private readonly choiceKeys: Keys;
  private readonly closing = new Uint8Array(bounds.requestDepth);
  private readonly insides = new Uint8Array(bounds.requestDepth);
  /** Of a whole reply that has no backslash: every string is as long as it looks. */
  private escapes = true;
  private choiceBytes = 0;
  private reasoningBytes = 0;
  private usageDepth = -1;
  private usageKeyStart = -1;
  private ownUsage = false;

  constructor(place: ContentPlace) {
    this.choiceKeys = choiceKeys[place];
  }

  /**
   * Scans bytes[start, end). False if that is not one balanced JSON object: the findings then mean nothing.
   */
  scan(bytes: Uint8Array, start: number, end: number): boolean {
    this.usageStart = this.usageEnd = this.nullUsageStart = this.nullUsageEnd = this.choices = this.usageDepth = -1;
    this.error = this.data = this.ownUsage = false;
    this.choicesWithContent = this.contentBytes = this.finished = this.finishedInError = this.texts = 0;
    // One search for a whole reply; for each event of a read, searches to the read's end would add up to its square.
    this.escapes = start > 0 || end < bytes.length || bytes.indexOf(0x5c) >= 0;
    return this.walk(bytes, start, end);
  }

  /** Strings are passed whole, brackets are matched, and keys are looked at only where one may matter. */
  private walk(bytes: Uint8Array, start: number, end: number): boolean {
    const { closing, insides } = this;
    let inside: Inside = Inside.Other;
    let known = noKeys;
    let role: Role = Role.Nothing;
    let depth = 0;
    let i = start;
    while (i < end) {
      const byte = bytes[i++] ?? 0;
      if (byte === 0x22) {
        const from = i;
        const quote = stringEnd(bytes, from, end);
        if (quote < 0) return false;
        i = quote + 1;
        if (known.length === 0) continue;
        while (i < end && (bytes[i] ?? 0) <= 0x20) i++;
        if (bytes[i] === 0x3a && i < end) {
          role = roleOf(known, bytes, from, quote);
          if (role === Role.Usage) this.usageKeyStart = from - 1;
          i++;
        } else if (role !== Role.Nothing) {
          this.text(role, bytes, from, quote);
          role = Role.Nothing;
        }
      } else if (byte === 0x7b || byte === 0x5b) {
        if (depth === closing.length || (depth === 0 && (byte === 0x5b || !isBlank(bytes, start, i - 1)))) return false;
        if (role === Role.Usage && byte === 0x7b) this.openUsage(inside === Inside.Reply, depth, i - 1);
        insides[depth] = inside;
        inside = depth === 0 ? Inside.Reply : this.opened(inside, role, byte === 0x5b);
        closing[depth++] = byte + 2;
        known = this.keysOf(inside);
        role = Role.Nothing;
      } else if (byte === 0x7d || byte === 0x5d) {
        if (depth === 0 || closing[--depth] !== byte) return false;
        if (inside === Inside.Choice) this.closeChoice();
        if (depth === this.usageDepth) this.closeUsage(i);
        if (depth === 0) return isBlank(bytes, i, end);
        inside = insides[depth] ?? Inside.Other;
        known = this.keysOf(inside);
        role = Role.Nothing;
      } else if (role !== Role.Nothing && byte > 0x20) {
        // A number, `true`, `false` or `null`; the latter two are no error.
        if (role === Role.Error && byte !== 0x6e && byte !== 0x66) this.error = true;
        if (role === Role.Usage && inside === Inside.Reply) this.noteNull(bytes, i - 1, end);
        role = Role.Nothing;
      }
    }
    return false;
  }

  private keysOf(inside: Inside): Keys {
    switch (inside) {
      case Inside.Reply:
        return replyKeys;
      case Inside.Choice:
        return this.choiceKeys;
      case Inside.Message:
        return messageKeys;
      case Inside.Groq:
        return groqKeys;
      case Inside.Parts:
        return partKeys;
      case Inside.Calls:
        return callKeys;
      case Inside.Audio:
        return audioKeys;
      case Inside.Choices:
      case Inside.Other:
        return noKeys;
    }
  }

  /** What a bracket opens that stands in `outer` behind a key of this role. */
  private opened(outer: Inside, role: Role, list: boolean): Inside {
    switch (outer) {
      case Inside.Reply:
        if (role === Role.Error) this.error = true;
        if (role === Role.Data && list) this.data = true;
        if (role === Role.Groq && !list) return Inside.Groq;
        if (role !== Role.Choices || !list) return Inside.Other;
        this.choices = 0;
        return Inside.Choices;
      case Inside.Choices:
        this.choices++;
        this.choiceBytes = this.reasoningBytes = 0;
        return list ? Inside.Other : Inside.Choice;
      case Inside.Choice:
        return role === Role.Message && !list ? Inside.Message : Inside.Other;
      case Inside.Message:
        if (role === Role.Content) return Inside.Parts;
        if (role === Role.Calls) return Inside.Calls;
        return role === Role.Audio ? Inside.Audio : Inside.Other;
      case Inside.Groq:
      case Inside.Other:
        return Inside.Other;
      case Inside.Parts:
      case Inside.Calls:
      case Inside.Audio:
        return outer;
    }
  }

  private openUsage(own: boolean, depth: number, start: number): void {
    if (this.ownUsage && !own) return;
    this.ownUsage = own;
    this.usageDepth = depth;
    this.usageStart = start;
  }

  private closeUsage(end: number): void {
    this.usageDepth = -1;
    this.usageEnd = end;
  }

  /** The value of the reply's `usage` begins at `start`. */
  private noteNull(bytes: Uint8Array, start: number, end: number): void {
    const after = start + nullText.length;
    if (after >= end || !equalBytes(bytes, start, after, nullText)) return;
    let next = after;
    while (next < end && (bytes[next] ?? 0) <= 0x20) next++;
    const comma = bytes[next] === 0x2c;
    if (!comma && bytes[next] !== 0x7d) return;
    let before = this.usageKeyStart - 1;
    while ((bytes[before] ?? 0) <= 0x20) before--;
    const first = bytes[before] !== 0x2c;
    this.nullUsageStart = first ? this.usageKeyStart : before;
    this.nullUsageEnd = first && comma ? next + 1 : after;
  }

  private closeChoice(): void {
    const produced = this.choiceBytes + this.reasoningBytes;
    if (produced > 0) this.choicesWithContent++;
    this.contentBytes += produced;
  }

  private counted(bytes: Uint8Array, start: number, end: number): number {
    this.texts++;
    this.textStart = start;
    this.textEnd = end;
    return this.escapes ? decodedLength(bytes, start, end) : end - start;
  }

  /** A string that stands as the value of a key of this role. */
  private text(role: Role, bytes: Uint8Array, start: number, end: number): void {
    switch (role) {
      case Role.Content:
      case Role.Counted:
        this.choiceBytes += this.counted(bytes, start, end);
        break;
      case Role.Reasoning:
        // Vendors send the same reasoning under two names at once: the longer one counts.
        this.reasoningBytes = Math.max(this.reasoningBytes, this.counted(bytes, start, end));
        break;
      case Role.Finish:
        // Some vendors send an empty reason with every event.
        if (end > start) this.finished++;
        if (equalBytes(bytes, start, end, errorText)) this.finishedInError++;
        break;
      case Role.Error:
        if (end > start) this.error = true;
        break;
      default:
        break;
    }
  }
}

function roleOf(known: Keys, bytes: Uint8Array, start: number, end: number): Role {
  for (let k = 0; k < known.length; k++) {
    const key = known[k];
    if (key !== undefined && equalBytes(bytes, start, end, key.bytes)) return key.role;
  }
  return Role.Nothing;
}

function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((bytes[i] ?? 0) > 0x20) return false;
  return true;
}
