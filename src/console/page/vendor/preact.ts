export type { VNode } from 'preact';
// In a browser this is the package's own file: see ../../page-files.ts.
export {
  html,
  render,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'htm/preact/standalone';
