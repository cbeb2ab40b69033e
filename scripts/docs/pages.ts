/** The pages under docs/ that are made from the code: errors, states, limits, HTTP routes. */
import { routes } from '../../src/contract/routes.ts';
import { attemptMachine } from '../../src/domain/attempt.ts';
import { defaults } from '../../src/domain/defaults.ts';
import { errorCatalogue, errorCodes } from '../../src/domain/errors.ts';
import { eventKindWords } from '../../src/domain/event-kinds.ts';
import { endReasonNames, endReasons, jobMachine } from '../../src/domain/job.ts';
import { limits } from '../../src/domain/limits.ts';
import type { Machine } from '../../src/domain/machine.ts';
import { vmMachine } from '../../src/domain/vm.ts';
import { workerMachine } from '../../src/domain/worker.ts';

const madeFrom = (source: string): string => `<!-- Made from ${source} by \`npm run docs\`; do not edit. -->`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function errorsPage(): string {
  const rows = errorCodes.map((code) => {
    const entry = errorCatalogue[code];
    return [
      `\`${code}\``,
      String(entry.status),
      String(entry.exitCode),
      entry.fault,
      entry.message,
      entry.hint,
    ];
  });
  return [
    '# Errors',
    '',
    madeFrom('src/domain/errors/'),
    '',
    'Every error has a stable code. Over HTTP it is an `application/problem+json` body with `code`, `title` (the',
    'message), `hint`, `fault` and `details`; the CLI prints message and hint on standard error and ends with the exit',
    'code. `fault` says whose turn it is: `caller` (change the request), `system` (mend Blixard or its host),',
    '`transient` (send it again).',
    '',
    table(['code', 'HTTP', 'exit', 'fault', 'message', 'what to do'], rows),
  ].join('\n');
}

function machineSection<S extends string>(machine: Machine<S>): string {
  const steps = machine.states.flatMap((from) =>
    machine.allowedFrom(from).map((to) => [from, to, machine.transitions[from][to] ?? '']),
  );
  const diagram = [
    '```mermaid',
    'stateDiagram-v2',
    ...steps.map(([from, to]) => `  ${from} --> ${to}`),
    '```',
  ];
  return [`## ${machine.name}`, '', ...diagram, '', table(['from', 'to', 'when'], steps)].join('\n');
}

function statesPage(): string {
  const reasons = endReasonNames.map((name) => [
    `\`${name}\``,
    endReasons[name].text,
    endReasons[name].infrastructure ? 'no: retried on its own account' : 'yes',
  ]);
  return [
    '# States',
    '',
    madeFrom('src/domain/'),
    '',
    'A step that is not in a table is refused with `JOB_INVALID_TRANSITION`, naming from, to and the allowed ones.',
    '',
    machineSection(jobMachine),
    '',
    machineSection(attemptMachine),
    '',
    machineSection(workerMachine),
    '',
    machineSection(vmMachine),
    '',
    '## Why an attempt ended',
    '',
    table(['reason', 'meaning', 'spends a user attempt'], reasons),
  ].join('\n');
}

function limitsPage(): string {
  const rows = (values: Readonly<Record<string, number | string>>): string[][] =>
    Object.entries(values).map(([name, value]) => [`\`${name}\``, String(value)]);
  return [
    '# Limits and defaults',
    '',
    madeFrom('src/domain/limits.ts'),
    '',
    'The unit stands in the name. A value past a limit is refused with an error that names field, value and limit.',
    '',
    '## Limits',
    '',
    table(['limit', 'value'], rows(limits)),
    '',
    '## Defaults',
    '',
    table(['default', 'value'], rows(defaults)),
  ].join('\n');
}

function httpPage(): string {
  const rows = Object.values(routes).map((route) => [
    `\`${route.method} ${route.path}\``,
    route.summary,
    String(route.status),
    route.errors.map((code) => `\`${code}\``).join(', '),
  ]);
  return [
    '# HTTP API',
    '',
    madeFrom('src/contract/routes.ts'),
    '',
    'A running server describes every field at `GET /openapi.json` (OpenAPI 3.1).',
    '',
    table(['route', 'what it does', 'status', 'errors besides VALIDATION_FAILED'], rows),
  ].join('\n');
}

function eventsPage(): string {
  const rows = Object.entries(eventKindWords).map(([kind, { when, data }]) => [`\`${kind}\``, when, data]);
  return [
    '# Kinds of events',
    '',
    madeFrom('src/domain/event-kinds.ts'),
    '',
    'How events are read and sent: [webhooks.md](webhooks.md). Where a kind is asked for (`GET /v1/events?kind=`,',
    '`blixard events --kind`, `kinds` of a webhook) the start of some does, too: `job.` means all of jobs.',
    'What is neither is refused. `webhook.test` is sent by `blixard webhook test` only and is no event.',
    '',
    'Of `data`, what is null may be left out.',
    '',
    table(['kind', 'when', 'data'], rows),
    '',
    '## How long they are kept',
    '',
    'Events are kept 30 days, or as long as `retain-events` says (`blixard config`), also when their jobs are purged:',
    'they say what happened. The room of what was forgotten is used again by the database file;',
    'the file does not shrink.',
  ].join('\n');
}

/** File name under docs/ → contents. */
export function renderPages(): Readonly<Record<string, string>> {
  const pages = {
    'errors.md': errorsPage(),
    'states.md': statesPage(),
    'limits.md': limitsPage(),
    'http.md': httpPage(),
    'events.md': eventsPage(),
  };
  return Object.fromEntries(Object.entries(pages).map(([name, text]) => [name, `${text}\n`]));
}
