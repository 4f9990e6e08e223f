// A connection of one's own to a gateway: what is said is sent as it stands, and what is heard is kept.

import { connect } from 'node:net';

export function chatRequest(place: { readonly host: string; readonly apiKey: string }, body: object): string {
  const text = JSON.stringify(body);
  return [
    'POST /v1/chat/completions HTTP/1.1', `host: ${place.host}`, `authorization: Bearer ${place.apiKey}`,
    'content-type: application/json', `content-length: ${Buffer.byteLength(text)}`, '', text,
  ].join('\r\n');
}

export function talk({ host, port }: { readonly host: string; readonly port: number }) {
  const socket = connect(port, host);
  let heard = '';
  let closed = false;
  let wake: (() => void) | undefined;
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    heard += text;
    wake?.();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
    wake?.();
  });
  return {
    say: (text: string) => void socket.write(text),
    forget: () => void (heard = ''),
    /** What was heard when it satisfies, or when the connection closed. */
    until(satisfies: (text: string) => boolean): Promise<string> {
      const { promise, resolve } = Promise.withResolvers<string>();
      wake = () => {
        if (satisfies(heard) || closed) resolve(heard);
      };
      wake();
      return promise;
    },
  };
}
