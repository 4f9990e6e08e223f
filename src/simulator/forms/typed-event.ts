// Events that state their type twice, in a line of their own and in their JSON: Anthropic's and OpenAI's responses.

const typeFirst = /^\{\s*"type"\s*:\s*"([^"]+)"/;

export function typedEvent(json: string): string {
  const [, type] = typeFirst.exec(json) ?? [];
  return type === undefined ? `data: ${json}\n\n` : `event: ${type}\ndata: ${json}\n\n`;
}
