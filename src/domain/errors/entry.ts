/** What the catalogue states of each error. */

export interface ErrorEntry {
  /** `caller`: the request is wrong. `system`: Blixard or its host is. `transient`: try again. */
  readonly fault: 'caller' | 'system' | 'transient';
  readonly status: number;
  /** Exit code of the CLI: 125 as `docker run` has it, 2 for a wrong call, 69/75/78 from sysexits.h. */
  readonly exitCode: number;
  /** `{name}` is replaced by the detail of that name. */
  readonly message: string;
  readonly hint: string;
}
