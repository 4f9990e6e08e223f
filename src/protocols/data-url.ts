// Addresses that are the bytes themselves: `data:image/png;base64,…`.

import type { MediaSource } from '../plugin/conversation.ts';

const dataUrl = /^data:([^;,]*)(?:;[^;,]*)*;base64,/i;

/** What an address leads to: the bytes that it is, or whatever lies there. */
export function sourceOfUrl(url: string): MediaSource {
  const match = dataUrl.exec(url.slice(0, 200));
  if (match === null) return { from: 'url', url };
  return {
    from: 'base64',
    mediaType: match[1] === '' ? 'application/octet-stream' : (match[1] ?? ''),
    data: url.slice(match[0].length),
  };
}

/** The address of a source, or its bytes as one; undefined for what has neither. */
export function urlOfSource(source: MediaSource): string | undefined {
  switch (source.from) {
    case 'url':
      return source.url;
    case 'base64':
      return `data:${source.mediaType};base64,${source.data}`;
    case 'text':
    case 'stored':
      return undefined;
  }
}
