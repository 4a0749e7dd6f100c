/** Values and bounds that several metrics share. */

/** 100 to 599, what HTTP knows. */
export const statuses = Array.from({ length: 500 }, (_, index) => String(100 + index));
/** Those that occur in ordinary life, or that alerts are about. */
export const commonStatuses = [
  ...['200', '201', '202', '204', '400', '401', '403', '404', '408', '409', '412', '413', '429'],
  ...['500', '501', '502', '503', '504'],
];
export const outcomes = ['ok', 'failed'];

export const shortBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
export const longBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Of recordings: from a call that was hardly one to a working day. */
export const recordingBuckets = [1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800];
