// U23, raw: usage blocks that lie, in replies that are honest in everything else.

import { describe, expect, test } from 'bun:test';
import { honestPieces, isJson, openFaultClient, parse, payloads, piecesIn } from './fault-client.ts';
import type { Usage } from './fault-client.ts';

const { plain, streamed } = openFaultClient();

describe('U23 usage that lies', () => {
  const prompt = 6; // 22 bytes
  const completion = honestPieces;
  const tuple = (usage: Usage | null | undefined) =>
    usage && [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens];

  async function blocks(variant: string): Promise<readonly (Usage | null)[]> {
    const usages = payloads(await streamed(`sim/u23-${variant}`))
      .filter(isJson)
      .filter((each) => /"choices":\[\]/.test(each));
    return usages.map((each) => parse(each).usage ?? null);
  }

  test.each([
    ['negative', [-prompt, -completion, -10]],
    ['null-counts', [null, null, null]],
    ['string', ['6', '4', '10']],
    ['float', [6.5, 4.25, 10.75]],
    ['huge', [1e308, 1e308, 1e308]],
    ['cached', [6, 4, 10]],
    ['reasoning', [6, 4, 10]],
    ['total', [6, 4, 1_010]],
    ['zero', [0, 0, 0]],
    ['under', [6, 0, 6]],
    ['over', [60, 40, 100]],
    ['doubles', [6, 4, 10]],
  ] as [string, unknown[]][])('%s, streamed and not', async (variant, expected) => {
    expect((await blocks(variant)).map(tuple)).toEqual([expected]);
    expect(tuple(parse(await plain(`sim/u23-${variant}`)).usage)).toEqual(expected);
  });

  test('details above their wholes', async () => {
    expect((await blocks('cached'))[0]?.prompt_tokens_details?.cached_tokens).toBe(118);
    expect((await blocks('reasoning'))[0]?.completion_tokens_details?.reasoning_tokens).toBe(11);
    expect(await streamed('sim/u23-beyond')).toContain('18446744073709551615');
    expect((await plain('sim/u23-doubles')).match(/"prompt_tokens"/g)).toHaveLength(2);
  });

  test('absent, null and other shapes', async () => {
    expect(await streamed('sim/u23-absent')).not.toContain('total_tokens');
    expect(parse(await plain('sim/u23-absent')).usage).toBeUndefined();
    expect(parse(await plain('sim/u23-null')).usage).toBeNull();
    expect(await plain('sim/u23-list')).toContain('"usage":[57,41,98]');
    expect(await plain('sim/u23-text')).toContain('"usage":"57/41"');
  });

  test('twice, growing, early, forged', async () => {
    expect((await blocks('twice')).map(tuple)).toEqual([
      [6, 4, 10],
      [6, 4, 10],
    ]);
    expect((await blocks('growing')).map(tuple)).toEqual([
      [6, 4, 10],
      [12, 8, 20],
    ]);
    const early = payloads(await streamed('sim/u23-early'));
    const usageAt = early.findIndex((each) => each.includes('total_tokens'));
    expect([usageAt, piecesIn(early.slice(usageAt))]).toEqual([1, honestPieces]);
    const forged = payloads(await streamed('sim/u23-forged'))
      .filter(isJson)
      .map(parse);
    expect(forged.some((each) => each.choices?.[0]?.delta?.content?.includes('"usage":{"prompt_tokens":0'))).toBe(true);
    expect(tuple(forged.at(-1)?.usage)).toEqual([6, 4, 10]);
    const body = parse(await plain('sim/u23-forged'));
    expect([body.choices?.[0]?.message?.content?.startsWith('"usage"'), tuple(body.usage)]).toEqual([true, [6, 4, 10]]);
  });

  test('without a suffix it is negative', async () => {
    expect(tuple(parse(await plain('sim/u23')).usage)).toEqual([-6, -4, -10]);
  });
});
