import { eventually } from '../test/support/eventually.ts';
import { startInstance, type TestBed } from './test-bed.ts';

/** From the start of the process until it says that it can carry signalling, ms. */
export async function startUp(testBed: TestBed, node: string, npmStart: boolean): Promise<number> {
  const began = performance.now();
  const instance = await startInstance(testBed, { node, npmStart, awaitGates: false });
  try {
    await eventually(async () => (await fetch(`${instance.adminUrl}/readyz`)).ok, { what: 'a ready proxy' });
    return performance.now() - began;
  } finally {
    await instance.process.stop();
  }
}
