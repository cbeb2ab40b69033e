/** What the demo prints: each job's output live behind its name, and the closing table. */
import { endOf } from '../../src/cli/output/job-end.ts';
import { type Colour, colourOfState, makePaint, printable } from '../../src/cli/output/style.ts';
import { type Column, renderTable } from '../../src/cli/output/table.ts';
import type { Attempt, Job } from '../../src/contract/job.ts';
import { formatDurationMs } from '../../src/domain/units.ts';

/** A demo job that has ended. */
export interface EndedDemoJob {
  readonly name: string;
  readonly job: Job;
  readonly attempt: Attempt | undefined;
  readonly asExpected: boolean;
}

const { stdout } = process;
const indent = '  ';
/** Colours where a person looks at standard output. */
export const paint = makePaint(stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '');

const colours: readonly Colour[] = ['cyan', 'yellow', 'green', 'blue', 'red'];

/** Prints whole lines behind a job's name, however the output was cut into pieces. */
export class JobLines {
  readonly #prefix: string;
  #rest = '';

  constructor(name: string, index: number, width: number) {
    this.#prefix = paint(colours[index % colours.length] ?? 'dim', `${name.padEnd(width)} │ `);
  }

  write(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#print(printable(line));
  }

  /** Says something about the job itself. */
  note(text: string): void {
    this.#print(paint('dim', text));
  }

  end(): void {
    if (this.#rest !== '') this.write('\n');
  }

  #print(text: string): void {
    stdout.write(`  ${this.#prefix}${text}\n`);
  }
}

/** The closing table. */
export function endTable(ended: readonly EndedDemoJob[]): string {
  const width = stdout.columns === undefined ? undefined : stdout.columns - indent.length;
  return renderTable(ended, columns, paint, width)
    .split('\n')
    .map((line) => (line === '' ? line : `${indent}${line}`))
    .join('\n');
}

const columns: readonly Column<EndedDemoJob>[] = [
  { head: '', cell: ({ asExpected }) => (asExpected ? '✔' : '✘'), colour: signColour },
  { head: 'JOB', cell: ({ name }) => name },
  { head: 'STATE', cell: ({ job }) => job.state, colour: ({ job }) => colourOfState(job.state) },
  { head: 'END', cell: ({ job }) => endOf(job) },
  { head: 'ATTEMPTS', align: 'right', optional: true, cell: ({ job }) => String(job.attempt) },
  { head: 'VM START', align: 'right', cell: ({ attempt }) => startText(attempt) },
  { head: 'RAN', align: 'right', cell: ({ attempt }) => durationText(attempt?.usage?.wallMs) },
  { head: 'SUBMIT TO END', align: 'right', cell: ({ job }) => durationText(endToEndMs(job)) },
];

function signColour({ asExpected }: EndedDemoJob): Colour {
  return asExpected ? 'green' : 'red';
}

function startText(attempt: Attempt | undefined): string {
  const vm = attempt?.vm ?? null;
  return vm === null ? '-' : `${vm.start} ${vm.bootMs} ms`;
}

function endToEndMs({ createdAtMs, endedAtMs }: Job): number | undefined {
  return endedAtMs === null ? undefined : endedAtMs - createdAtMs;
}

function durationText(ms: number | undefined): string {
  return ms === undefined ? '-' : formatDurationMs(ms);
}
