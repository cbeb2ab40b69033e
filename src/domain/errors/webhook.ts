/** Errors about events, webhooks and their deliveries. */
import type { ErrorEntry } from './entry.ts';

export const webhookErrors = {
  EVENTS_GONE: {
    fault: 'caller',
    status: 410,
    exitCode: 125,
    message: 'Not all events after {after} are kept any more; the oldest that is has the number {oldest}.',
    hint: 'Look at the jobs for what you missed, then start at the oldest event (after=0) or with those to come.',
  },
  WEBHOOK_NOT_FOUND: {
    fault: 'caller',
    status: 404,
    exitCode: 125,
    message: 'There is no webhook {name}.',
    hint: 'blixard webhook ls shows all of them.',
  },
  WEBHOOK_LIMIT: {
    fault: 'caller',
    status: 409,
    exitCode: 125,
    message: 'There are {max} webhooks already; that is the limit.',
    hint: 'Remove one with blixard webhook rm, or let one receiver take the events of several.',
  },
  WEBHOOK_TARGET_REFUSED: {
    fault: 'caller',
    status: 422,
    exitCode: 125,
    message: 'Webhooks may not be sent to {address}: the setting webhook-targets is {targets}.',
    hint: 'Use another address, or start the server with another webhook-targets; blixard server --help lists them.',
  },
  DELIVERY_NOT_FOUND: {
    fault: 'caller',
    status: 404,
    exitCode: 125,
    message: 'Webhook {name} has no delivery {deliveryId}, or its event is no longer kept.',
    hint: 'blixard webhook deliveries shows the newest ones.',
  },
} as const satisfies Record<string, ErrorEntry>;
