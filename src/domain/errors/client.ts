/** Errors on the caller’s side: reaching a server, configuration, a wrong call. */
import type { ErrorEntry } from './entry.ts';

export const clientErrors = {
  SERVER_UNREACHABLE: {
    fault: 'transient',
    status: 503,
    exitCode: 125,
    message: 'No Blixard server answers at {url}: {problem}',
    hint: 'Start one with: blixard up   (or name another with --server or BLIXARD_SERVER)',
  },
  SERVER_ANSWER_INVALID: {
    fault: 'system',
    status: 502,
    exitCode: 125,
    message: 'The answer of {url} is not one of a Blixard server: {problem}',
    hint: 'Check --server or BLIXARD_SERVER.',
  },
  CLIENT_CLOSED: {
    fault: 'caller',
    status: 400,
    exitCode: 125,
    message: 'This client was closed: {problem}',
    hint: 'Close a client when its calls have ended; make a new one for more.',
  },
  SERVER_CLOSING: {
    fault: 'transient',
    status: 503,
    exitCode: 125,
    message: 'The server is shutting down.',
    hint: 'Send the same request again when it is back.',
  },
  LISTEN_FAILED: {
    fault: 'system',
    status: 503,
    exitCode: 69,
    message: 'Cannot listen on {host}:{port}: {problem}',
    hint: 'Stop what uses the address (is Blixard running already?), or choose another with --port or --host.',
  },
  CONFIG_INVALID: {
    fault: 'caller',
    status: 500,
    exitCode: 78,
    message: '{key} = {value} (from {source}): {problem}',
    hint: 'blixard config prints every key, its value and where it came from.',
  },
  OUTPUT_FAILED: {
    fault: 'caller',
    status: 500,
    exitCode: 74,
    message: 'Standard {output} cannot be written: {problem}',
    hint: 'Look at where it goes, for example whether that disk is full. What was asked for is done or goes on.',
  },
  USAGE: {
    fault: 'caller',
    status: 400,
    exitCode: 125,
    message: '{problem}',
    hint: 'blixard --help shows how to call it.',
  },
} as const satisfies Record<string, ErrorEntry>;
