/** Opens templates and pool of this host, or says why there are none. */
import { join } from 'node:path';
import type { Capabilities, Hypervisor } from '../hypervisor/hypervisor.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Admission } from './admission.ts';
import type { StartOrder, VmController } from './controller.ts';
import { VmPool } from './pool.ts';
import type { PoolBounds } from './pool-plan.ts';
import { SpareVms } from './spares.ts';
import type { FastStarts } from './starter.ts';
import { TemplateFiles } from './template-files.ts';
import { describeHost, templateKey } from './template-key.ts';
import { Templates } from './templates.ts';
import { digestOfZygotes, zygotesOf } from './zygotes.ts';

/** Slower than this is an overloaded host: a boot is then no better, but it is tried. */
export const restoreTimeoutMs = 5_000;
const keysKept = 1_000;

/** What an operator says of templates and pool. */
export interface FastStartConfig {
  /** `off`: every VM is booted. */
  readonly templates: 'on' | 'off';
  /** On disk, all together. */
  readonly templateBytesMax: number;
  readonly pool: PoolBounds;
}

/** What they are built from. */
export interface FastStartDeps {
  /** Holds `templates/`. */
  readonly dataDir: string;
  readonly config: FastStartConfig;
  readonly hypervisor: Hypervisor;
  readonly capabilities: Capabilities;
  readonly controller: VmController;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly log: Log;
}

/** Sweeps what was left half-built. */
export async function openFastStarts(deps: FastStartDeps): Promise<FastStarts | { missing: string }> {
  const { dataDir, config, capabilities, hypervisor, controller, admission, clock, log } = deps;
  if (config.templates === 'off') return { missing: 'templates are off' };
  if (capabilities.templates === 'none') return { missing: `${capabilities.driver} has no templates` };
  const shared = { controller, admission, clock, log };
  const files = new TemplateFiles({ dir: join(dataDir, 'templates') });
  const onReady = (key: string): void => pool.ready(key);
  const onGone = (key: string): void => spares?.drop(key);
  const bytesMax = config.templateBytesMax;
  const templates = new Templates({ ...shared, files, bytesMax, onReady, onGone });
  // Before the pool: they give way first.
  const spares =
    config.pool.target === 0 ? new SpareVms({ ...shared, templates, restoreTimeoutMs }) : undefined;
  const pool = new VmPool({ ...shared, templates, restoreTimeoutMs, bounds: config.pool });
  await templates.open();
  const host = await describeHost();
  const keys = new Map<string, Promise<string>>();
  const keyOf = (order: StartOrder): Promise<string> => {
    const spec = controller.specOf(order);
    const zygotes = digestOfZygotes(zygotesOf(order.image.labels));
    const of = { imageDigest: order.image.digest, spec, tenant: order.tenant, zygotes };
    const name = JSON.stringify([of.imageDigest, spec, of.tenant ?? null]);
    const known = keys.get(name) ?? templateKey({ hypervisor, host, ...of });
    // Few orders differ; a digest made anew now and then costs nothing.
    if (keys.size >= keysKept) keys.clear();
    keys.set(name, known);
    return known;
  };
  return { templates, pool, spares, restoreTimeoutMs, keyOf };
}
