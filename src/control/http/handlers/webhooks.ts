/** Handlers of webhooks. */
import type { AppDeps, Handlers } from './handler.ts';

type WebhookRoutes =
  | 'listWebhooks'
  | 'getWebhook'
  | 'putWebhook'
  | 'deleteWebhook'
  | 'testWebhook'
  | 'listDeliveries'
  | 'redeliver';

/** What users do to webhooks. */
export function webhookHandlers({ webhooks }: AppDeps): Pick<Handlers, WebhookRoutes> {
  return {
    listWebhooks: async () => ({ webhooks: await webhooks.list() }),
    getWebhook: ({ params }) => webhooks.get(params.name),
    putWebhook: ({ params, body }) => webhooks.put(params.name, body),
    deleteWebhook: ({ params }) => webhooks.remove(params.name),
    testWebhook: ({ params, signal }) => webhooks.test(params.name, signal),
    listDeliveries: ({ params, query }) => webhooks.deliveries(params.name, query),
    redeliver: ({ params, signal }) => webhooks.redeliver(params.name, params.id, signal),
  };
}
