/** What `GET /v1/jobs/{id}/logs` says in headers of the range it answers with. */

/** The headers of a range. */
export const logRangeHeaders = {
  /** Number of the attempt; 0 when the job has none yet. */
  attempt: 'blixard-log-attempt',
  /** Where the next range starts. */
  nextOffset: 'blixard-log-next-offset',
  /** `true`: the attempt has ended and this range reaches the end of its log: there will be no more. */
  ended: 'blixard-log-ended',
  /** Output that lies within this range but was not kept. */
  missingBytes: 'blixard-log-missing-bytes',
} as const;
