import { describe } from '@jest/globals';
import { azureLaws } from '../azure-laws.ts';

describe('@azure/storage-blob', () => {
  azureLaws({
    command: () => [process.execPath, 'azure-blobs.mjs'],
    tries: {
      ...{ tooMany: 1, noHandler: 1, noStore: 4, shutdown: 4 },
      ...{ 400: 1, 404: 1, 408: 1, 413: 1, 417: 1, 426: 1, 500: 4, 501: 1, 504: 1 },
    },
  });
});
