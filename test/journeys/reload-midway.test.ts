// A config that comes while a client still sends its body: what is charged is of one config, never half of each.

import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { field, startTestGateway } from '../support/gateway.ts';
import { configText, echo } from './reload-stage.ts';
import { chatRequest, talk } from './vps/talk.ts';

const modules = {
  'tollgate/plugin': () => import('../../src/plugin/index.ts'),
  'tollgate/plugins': () => import('../../plugins/index.ts'),
};
const folder = mkdtempSync(join(tmpdir(), 'tollgate-midway-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function writeConfig(input: number, multiplierPpm: number): void {
  writeFileSync(join(folder, 'gateway.config.ts'), configText({ input, output: input }));
  const groups = `export const groups = [{ name: 'friends', multiplierPpm: ${multiplierPpm} }];\n`;
  writeFileSync(join(folder, 'groups.ts'), groups);
}

test('price and multiplier are of the config that the request was admitted with', async () => {
  writeConfig(100_000, 1_000_000);
  const gateway = await startTestGateway({ argv: ['--config', join(folder, 'gateway.config.ts')], modules });
  try {
    const { apiKey } = await gateway.fundedKey(1_000_000_000n, { group: 'friends' });
    const place = { host: '127.0.0.1', port: Number(new URL(gateway.url).port), apiKey };
    const client = talk(place);
    const whole = chatRequest(place, echo('one two three'));
    const { promise: authenticated, resolve } = Promise.withResolvers<void>();
    const { directory } = gateway.serving.gateway.accounts;
    const { keyBySha256 } = directory;
    Object.assign(directory, { keyBySha256: (sha256: string) => (resolve(), keyBySha256(sha256)) });
    client.say(whole.slice(0, -10));
    await authenticated;
    // Ten times the price, of which friends pay a tenth.
    writeConfig(1_000_000, 100_000);
    expect((await gateway.admin('POST', '/config/reload')).status).toBe(200);
    client.say(whole.slice(-10));
    expect(await client.until((heard) => heard.includes('"usage"'))).toStartWith('HTTP/1.1 200 ');
    const { body } = await gateway.admin('GET', '/usage?limit=1');
    const [record]: readonly unknown[] = Array.isArray(body['items']) ? body['items'] : [];
    const detail = await gateway.admin('GET', `/usage/${String(field(record, 'requestId'))}`);
    expect(detail.body['charge']).toMatchObject({
      rates: { input: '1000000' },
      multipliers: [{ of: 'group:friends', ppm: 100_000 }],
    });
  } finally {
    await gateway.stop();
  }
});
