// A slow reader of event streams, written after the standard's section "Interpreting an event stream" step by step, to
// hold the splitter against. It reads bytes as Latin-1: no byte of UTF-8 beyond ASCII is a line's end or a colon.

export interface ReferenceEvent {
  /** What the event type buffer held, and the payload without its last line feed; one character for each byte. */
  readonly name: string;
  readonly data: string;
  /** The whole block is [start, end): from behind the blank line before it to the end of its own. */
  readonly start: number;
  readonly end: number;
}

interface Line {
  readonly text: string;
  readonly end: number;
}

/** Lines end with CRLF, LF or CR; what stands behind the last end is a line, too. */
function linesOf(text: string): readonly Line[] {
  const lines: Line[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '\r' && text[i] !== '\n') continue;
    const line = text.slice(start, i);
    if (text[i] === '\r' && text[i + 1] === '\n') i++;
    start = i + 1;
    lines.push({ text: line, end: start });
  }
  if (start < text.length) lines.push({ text: text.slice(start), end: text.length });
  return lines;
}

/** One deviation from the standard, on purpose: an event that the body's end cut before its blank line counts. */
export function referenceEvents(bytes: Uint8Array): readonly ReferenceEvent[] {
  const whole = Buffer.from(bytes).toString('latin1');
  const mark = whole.startsWith('\u00ef\u00bb\u00bf') ? 3 : 0;
  const events: ReferenceEvent[] = [];
  let dataBuffer = '';
  let typeBuffer = '';
  let blockStart = 0;
  const dispatch = (end: number): void => {
    if (dataBuffer !== '') {
      const data = dataBuffer.endsWith('\n') ? dataBuffer.slice(0, -1) : dataBuffer;
      events.push({ name: typeBuffer, data, start: blockStart, end });
    }
    dataBuffer = '';
    typeBuffer = '';
    // A line of nothing but the mark is blank, and to the splitter the head of the first block.
    if (end > mark + 2) blockStart = end;
  };
  const processField = (field: string, value: string): void => {
    if (field === 'event') typeBuffer = value;
    else if (field === 'data') dataBuffer += `${value}\n`;
    // Ids and times to reconnect are of no use to a relay; other fields are ignored.
  };
  for (const { text, end } of linesOf(whole.slice(mark))) {
    const colon = text.indexOf(':');
    if (text === '') dispatch(end + mark);
    else if (colon === 0) continue;
    else if (colon > 0) {
      const value = text.slice(colon + 1);
      processField(text.slice(0, colon), value.startsWith(' ') ? value.slice(1) : value);
    } else processField(text, '');
  }
  dispatch(whole.length);
  return events;
}
