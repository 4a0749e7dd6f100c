/**
 * What `npm run interop` runs: one folder each. `programs`: command -> its Debian package, or null where Debian has none;
 * `packages`: it runs programs that use the npm packages of this folder.
 */
export const suites = [
  {
    folder: 'dotnet',
    programs: {
      ...{ dotnet: null, openssl: 'openssl', flock: 'util-linux' },
      ...{ faketime: 'faketime', 'redis-server': 'redis-server' },
    },
    packages: false,
  },
  { folder: 'storage/npm', programs: {}, packages: true },
  { folder: 'storage/dotnet', programs: { dotnet: null }, packages: true },
  { folder: 'edges', programs: { nginx: 'nginx', haproxy: 'haproxy', caddy: 'caddy' }, packages: false },
];
