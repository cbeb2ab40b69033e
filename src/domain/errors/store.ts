/** Errors of the store. */
import type { ErrorEntry } from './entry.ts';

export const storeErrors = {
  CONSTRAINT: {
    fault: 'system',
    status: 500,
    exitCode: 125,
    message: 'The store refused a statement: {problem}',
    hint: 'This is a bug in Blixard; please report it with the log.',
  },
  STORE_UNAVAILABLE: {
    fault: 'transient',
    status: 503,
    exitCode: 69,
    message: 'The store cannot be reached: {problem}',
    hint: 'It is safe to send the same request again.',
  },
  STORE_FULL: {
    fault: 'transient',
    status: 507,
    exitCode: 69,
    message: 'The disk of the store is full: {problem}',
    hint: 'Nothing that was accepted is lost. Free space in the data directory, then send the same request again.',
  },
  STORE_LOCKED: {
    fault: 'system',
    status: 503,
    exitCode: 69,
    message: 'Another process owns the store {file}: {owner}.',
    hint: 'Stop that process, or use another data directory with --data-dir.',
  },
  STORE_TOO_NEW: {
    fault: 'system',
    status: 503,
    exitCode: 78,
    message: 'The store has schema version {found}; this program knows versions up to {known}.',
    hint: 'Use the newer program that wrote the store.',
  },
  STORE_TOO_OLD: {
    fault: 'system',
    status: 503,
    exitCode: 78,
    message: 'The store has schema version {found}; this program reads version {known}.',
    hint: 'Start a server on it once: it brings the store up to date.',
  },
  STORE_MIGRATION_CHANGED: {
    fault: 'system',
    status: 503,
    exitCode: 78,
    message: 'Migration {migration} was applied with other contents than this program has.',
    hint: 'Use the program that wrote the store.',
  },
  SQLITE_TOO_OLD: {
    fault: 'system',
    status: 503,
    exitCode: 78,
    message: 'SQLite {found} can corrupt a WAL database; at least {needed} is needed.',
    hint: 'Update Node.js or the @photostructure/sqlite package.',
  },
} as const satisfies Record<string, ErrorEntry>;
