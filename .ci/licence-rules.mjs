/** Permissive, and none asks more of who passes the package on than to keep a notice. */
const everywhere = ['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', '0BSD'];
/**
 * For what only tools of the build and tests read or run: data, what was given to the public domain, the licence of Python,
 * and unchanged files whose licence asks for the source of changes. Nothing of it is shipped.
 */
const toolsOnly = [...everywhere, 'CC-BY-4.0', 'CC0-1.0', 'MPL-2.0', 'Python-2.0'];

/**
 * What is wrong with the licences of a bill of materials (CycloneDX): a line for each component that has none, or one
 * that is not on the list. Of alternatives one is enough; of what applies together all are needed.
 */
export function objections({ components }, shipped) {
  const allowed = shipped ? everywhere : toolsOnly;
  return components.flatMap(({ name, version, licenses = [] }) => {
    const said = licenses.map(({ expression, license }) => expression ?? license.id ?? license.name ?? '');
    if (said.length > 0 && said.every((expression) => isAllowed(expression, allowed))) return [];
    return [`${name}@${version}: ${said.join(', ') || 'says nothing of its licence'}`];
  });
}

/** SPDX expressions without nesting, such as `(MIT OR CC0-1.0)`; any other is not allowed. */
function isAllowed(expression, allowed) {
  const flat = expression.replace(/^\((.*)\)$/, '$1');
  const alternatives = flat.split(' OR ').map((part) => part.split(' AND '));
  if (alternatives.length > 1 && alternatives.some((parts) => parts.length > 1)) return false;
  return alternatives.some((parts) => parts.every((licence) => allowed.includes(licence)));
}
