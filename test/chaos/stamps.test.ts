import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { frameOf, opcodes } from '../../src/core/http/websocket.ts';
import { masked, openStream } from '../../src/sandbox/bot/websocket-client.ts';
import { eventually } from '../support/eventually.ts';
import { startStampingSink, type StampedWrite, type StampingSink } from './stamps.ts';

let sink: StampingSink;
/** How many bytes of its connection had come, in place of when they had left. */
beforeAll(async () => {
  sink = await startStampingSink((_port, bytes) => bytes);
});
afterAll(() => sink.close());

const call = 'AAAAAAAA-bbbb-4ccc-8ddd-eeeeeeeeeeee';
const open = (name: string): ReturnType<typeof openStream> =>
  openStream(`${sink.url}/media/${call}/${name}`, { headers: { 'tallylight-epoch': '7' } });
const stamped = (name: string): Promise<StampedWrite> =>
  eventually(() => sink.writes.find((write) => write.name === name));
const bytesOf = ({ ranges }: StampedWrite): number => ranges.at(-1)?.to ?? 0;

test('of a WebSocket the payload of data frames is stamped, as it comes, and its end once it is in order', async () => {
  const stream = open('whole');
  const socket = await stream.socket;
  const write = await stamped('whole');
  const head = socket.bytesWritten;
  const frame = masked(opcodes.binary, Buffer.from('abcdef'));
  socket.write(frame.subarray(0, 8));
  await eventually(() => bytesOf(write) === 2);
  socket.write(Buffer.concat([frame.subarray(8), masked(opcodes.ping, Buffer.from('not media'))]));
  await eventually(() => bytesOf(write) === 6);
  expect(write.ranges.map(({ leftAt }) => leftAt)).toEqual([head + 8, head + 12 + 15]);
  stream.send('gh');
  await eventually(() => bytesOf(write) === 8);
  expect(write.endedAt).toBeUndefined();
  stream.close();
  expect(await stream.over).toEqual({ code: 1000, reason: '' });
  expect(write).toMatchObject({ isStream: true, call: 'aaaaaaaabbbb4ccc8dddeeeeeeeeeeee', epoch: 7 });
  expect(write.endedAt).toBeGreaterThanOrEqual(write.ranges.at(-1)!.at);
});

test.each(['resets', 'closes'] as const)('a WebSocket whose client %s has no end', async (how) => {
  const stream = open(how);
  stream.write(frameOf(opcodes.text, Buffer.from('abc'), Buffer.from([1, 2, 3, 4])));
  const write = await stamped(how);
  await eventually(() => bytesOf(write) === 3);
  if (how === 'resets') stream.destroy();
  else (await stream.socket).end();
  await stream.over;
  expect(write.endedAt).toBeUndefined();
});
