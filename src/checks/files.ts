import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { access, constants, readFile, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isFault, messageOf } from '../core/errors.ts';
import { writeObstacle } from '../evidence/journal/writable.ts';
import { policiesOf } from '../policies/load.ts';
import { certificatesIn } from '../server/certificate.ts';
import { usableTls } from '../server/tls.ts';
import { doubtsOfPolicies, doubtsOfTls } from '../server/warn-at-start.ts';
import type { ProxySettings } from '../settings/settings.ts';
import { doubtful, type Finding, ofDoubt, right, wrong } from './finding.ts';

/** The certificate of the listener. */
export function checkTls(settings: ProxySettings): readonly Finding[] {
  const { tls } = settings;
  const setting = 'TALLYLIGHT_TLS_CERT_FILE';
  if (tls === undefined) return [];
  try {
    usableTls(tls);
  } catch (error) {
    return [
      wrong(
        'configuration',
        setting,
        messageOf(error),
        'Name a PEM certificate chain and the private key that belongs to its first certificate',
      ),
    ];
  }
  const found = doubtsOfTls(settings, Date.now()).map(({ fails, setting: at, text, cure }) =>
    fails ? wrong('notReady', at, text, cure) : doubtful(at, text, cure),
  );
  const [leaf] = certificatesIn(readFileSync(tls.certFile, 'utf8'));
  const names = leaf.subjectAltName ?? leaf.subject;
  return [
    right(setting, `fits its private key; it is for ${names.slice(0, 200)}, until ${leaf.validTo}`),
    ...found,
    ...readableByAll('TALLYLIGHT_TLS_KEY_FILE', tls.keyFile),
  ];
}

function readableByAll(setting: string, path: string): readonly Finding[] {
  return (statSync(path).mode & 0o004) === 0
    ? []
    : [
        doubtful(
          setting,
          'names a file that every user of this machine may read',
          'Remove that right: chmod o-r',
        ),
      ];
}

/** Certificates that Graph credentials are proved with. Those that cannot be read have stopped the check before. */
export function checkCredentialCertificates({ graphCredentials }: ProxySettings): readonly Finding[] {
  return graphCredentials.flatMap(({ privateKey }, index) => {
    if (privateKey?.certificatePem === undefined) return [];
    const certificate = new X509Certificate(privateKey.certificatePem);
    const setting = `TALLYLIGHT_GRAPH_CREDENTIAL[${index}].certificateFile`;
    const thumbprint = createHash('sha1').update(certificate.raw).digest('hex').toUpperCase();
    return Date.parse(certificate.validTo) < Date.now()
      ? [
          wrong(
            'notReady',
            setting,
            `holds a certificate that expired on ${certificate.validTo}, so Entra refuses it`,
            'Upload a new certificate to the app registration, and name it and its key here',
          ),
        ]
      : [
          right(
            setting,
            `fits its private key; its thumbprint in Entra must be ${thumbprint}; it is valid until ${certificate.validTo}`,
          ),
        ];
  });
}

/** The policies, with the position of each mistake. */
export function checkPolicies({ policyDir }: Pick<ProxySettings, 'policyDir'>): readonly Finding[] {
  const setting = 'TALLYLIGHT_POLICY_DIR';
  try {
    const policies = policiesOf(policyDir);
    const doubts = doubtsOfPolicies({ policyDir });
    if (doubts.length > 0) return doubts.map(ofDoubt);
    return [right(setting, `policies: ${policies.map(({ name }) => name).join(', ')}`)];
  } catch (error) {
    const lines = isFault(error) ? error.lines : [messageOf(error)];
    return lines.map((line) =>
      wrong(
        'configuration',
        setting,
        line,
        'Correct the file at that position; docs/reference/policies.md lists every field',
      ),
    );
  }
}

/** Where a file system is gone with the machine, or the container. */
const tmpfsMagic = 0x01021994;
const leastFreeBytes = 1024 ** 3;

/** Whether evidence can be written; tries it, and leaves nothing behind. */
export async function checkEvidence({ evidenceDir }: ProxySettings): Promise<readonly Finding[]> {
  const setting = 'TALLYLIGHT_EVIDENCE_DIR';
  const directory = resolve(evidenceDir);
  try {
    if (!(await stat(directory)).isDirectory())
      return [unusable(setting, directory, 'it is not a directory')];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return [
      code === 'ENOENT'
        ? await checkCreation(setting, directory)
        : unusable(setting, directory, messageOf(error)),
    ];
  }
  const id = await readSinkId(directory);
  if (id !== undefined && !uuid.test(id))
    return [
      wrong(
        'cannotStart',
        setting,
        `${join(directory, 'sink-id')} does not contain a UUID`,
        'Restore the file, or name another directory',
      ),
    ];
  const obstacle = await writeObstacle(directory);
  if (obstacle !== undefined)
    return [
      wrong(
        obstacle.lasting ? 'cannotStart' : 'notReady',
        setting,
        `${directory} cannot be written to: ${obstacle.text}`,
        'Give this user the right to write there, make room on the disk, or name another directory',
      ),
    ];
  return [right(setting, `${directory} can be written to`), ...(await disk(setting, directory))];
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The id of an evidence directory; undefined: it has none yet. */
export const readSinkId = (directory: string): Promise<string | undefined> =>
  readFile(join(directory, 'sink-id'), 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );

const unusable = (setting: string, directory: string, why: string): Finding =>
  wrong(
    'cannotStart',
    setting,
    `${directory} cannot be used: ${why}`,
    'Name a directory that this process can create and write to',
  );

/** It is created at the start, in the nearest directory that exists. */
async function checkCreation(setting: string, directory: string): Promise<Finding> {
  let parent = dirname(directory);
  while (parent !== dirname(parent) && !(await exists(parent))) parent = dirname(parent);
  try {
    if (!(await stat(parent)).isDirectory())
      return unusable(setting, directory, `${parent} is not a directory`);
    await access(parent, constants.W_OK | constants.X_OK);
    return right(setting, `${directory} does not exist yet; it is created at the start`);
  } catch (error) {
    return unusable(setting, directory, messageOf(error));
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

async function disk(setting: string, directory: string): Promise<readonly Finding[]> {
  const { type, bavail, bsize } = await statfs(directory);
  const freeBytes = bavail * bsize;
  return [
    ...(type === tmpfsMagic
      ? [
          doubtful(
            setting,
            `${directory} is on a file system in memory (tmpfs), so a restart of the machine or the container loses the evidence`,
            'Name a directory on a persistent volume',
          ),
        ]
      : []),
    ...(freeBytes < leastFreeBytes
      ? [
          doubtful(
            setting,
            `only ${Math.floor(freeBytes / 1024 ** 2)} MiB are free on the disk of ${directory}`,
            'Make room, or name a directory on a larger disk',
          ),
        ]
      : []),
  ];
}
