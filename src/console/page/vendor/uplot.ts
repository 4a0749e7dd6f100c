// In a browser this is the package's own file: see ../../page-files.ts.
export { default } from 'uplot';
