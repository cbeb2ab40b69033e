/** The systems that are measured: what each needs, and what an acknowledged job survives. */

/** What serves a system. */
export type Server = 'redis-always' | 'redis-everysec' | 'postgres' | 'none';

/** One row of the table. */
export interface System {
  readonly name: string;
  /** A module of this folder. */
  readonly module: string;
  readonly kind: 'peer' | 'bare' | 'blixard';
  readonly server: Server;
  /** An acknowledged job is on disk: it survives a power cut. */
  readonly durable: boolean;
  readonly options: Readonly<Record<string, boolean>>;
}

function blixard(name: string, options: Record<string, boolean>): System {
  return { name, module: './blixard.ts', kind: 'blixard', server: 'none', durable: true, options };
}

function bare(name: string, options: Record<string, boolean>): System {
  return { name, module: './bare/contestant.mjs', kind: 'bare', server: 'none', durable: true, options };
}

function peer(
  name: string,
  module: string,
  more: Pick<System, 'server' | 'durable'> & Partial<Pick<System, 'options'>>,
): System {
  return { name, module: `./peers/${module}.mjs`, kind: 'peer', options: {}, ...more };
}

/** The peer most others are compared with. */
export const bullmqAlways = 'bullmq always';

/** All of them, peers first; what Blixard is measured against comes before it. */
export const systems: readonly System[] = [
  peer(bullmqAlways, 'bullmq', { server: 'redis-always', durable: true }),
  peer('bullmq everysec', 'bullmq', { server: 'redis-everysec', durable: false }),
  peer('pg-boss', 'pg-boss', { server: 'postgres', durable: true }),
  peer('graphile-worker', 'graphile-worker', { server: 'postgres', durable: true }),
  peer('graphile-worker tuned', 'graphile-worker', {
    server: 'postgres',
    durable: true,
    options: { tuned: true },
  }),
  peer('plainjob', 'plainjob', { server: 'none', durable: false }),
  peer('plainjob durable', 'plainjob', { server: 'none', durable: true, options: { durable: true } }),
  bare('bare in-process', {}),
  bare('bare over HTTP', { server: true }),
  blixard('blixard in-process', {}),
  blixard('blixard over HTTP', { server: true }),
];
