import { type SettingRow, settings } from './table.ts';
import { text } from './shapes.ts';

/** A setting that names the file with the value of another one. */
export interface SecretFile {
  readonly row: SettingRow;
  readonly secret: SettingRow;
}

const nameIn = ({ name }: SettingRow): SettingRow['name'] => `${name}_FILE`;

/** One for each secret of the table: an environment is seen by more people and programs than a file. */
export const secretFiles: readonly SecretFile[] = Object.values<SettingRow>(settings)
  .filter((row) => row.secret === true)
  .map((secret) => ({
    secret,
    row: {
      name: nameIn(secret),
      default: '',
      description: `File with the value of \`${secret.name}\`, instead of that setting. A line break at its end is removed.`,
      schema: text,
    },
  }));

/** Every setting that can be written, those that name files behind the ones they stand for. */
export const writable: readonly SettingRow[] = Object.values<SettingRow>(settings).flatMap((row) => [
  row,
  ...secretFiles.filter(({ secret }) => secret === row).map((file) => file.row),
]);
