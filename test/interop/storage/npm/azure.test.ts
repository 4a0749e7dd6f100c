import { describe } from '@jest/globals';
import { azureLaws } from '../azure-laws.ts';

describe('@azure/storage-blob', () => {
  azureLaws({
    command: () => [process.execPath, 'azure-blobs.mjs'],
    tries: { tooMany: 1, noHandler: 1, noStore: 4, shutdown: 4 },
  });
});
