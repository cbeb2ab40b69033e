/** Takes the orders of `blixard image warm` while a worker has the VMs of its data directory: see warm-wire.ts. */
import { once } from 'node:events';
import { chmod, type FileHandle, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { problemOfError } from '../contract/problem.ts';
import { asBlixardError, BlixardError, problemOf } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { formatDurationMs } from '../domain/units.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { VmService } from '../vm/vm-service.ts';
import {
  eachLine,
  readWarmOrder,
  type WarmAnswer,
  type WarmOrder,
  warmLine,
  warmSocket,
} from './warm-wire.ts';

/** A command sends its order at once. */
const orderMs = 5_000;

/** Whose VMs, and where the socket stands. */
export interface WarmDoorDeps {
  /** Of this worker alone: what an earlier process left there is replaced. */
  readonly dataDir: string;
  readonly vms: Pick<VmService, 'warm'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Open until closed; a command that goes away leaves its template being built. */
export class WarmDoor {
  readonly #deps: WarmDoorDeps;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #folder: FileHandle | undefined;
  #warms = 0;

  private constructor(deps: WarmDoorDeps) {
    this.#deps = deps;
    this.#server = createServer((socket) => void this.#serve(socket));
    this.#server.on('error', (error) => deps.log.warn({ err: error }, 'the socket for image warm is ill'));
  }

  /** Never rejects: a worker that cannot take orders works all the same, and its log says why. */
  static async open(deps: WarmDoorDeps): Promise<WarmDoor> {
    const door = new WarmDoor(deps);
    try {
      await door.#listen();
    } catch (error) {
      deps.log.warn({ err: error }, 'blixard image warm does not reach this worker');
    }
    return door;
  }

  /** Ends all conversations. Safe to call again. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server.listening) {
      this.#server.close();
      await once(this.#server, 'close');
    }
    await this.#folder?.close();
    this.#folder = undefined;
  }

  async #listen(): Promise<void> {
    const { folder, path } = await warmSocket(this.#deps.dataDir);
    this.#folder = folder;
    await rm(path, { force: true });
    this.#server.listen({ path });
    await once(this.#server, 'listening');
    await chmod(path, 0o600);
    this.#server.unref();
  }

  async #serve(socket: Socket): Promise<void> {
    const { log, vms } = this.#deps;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', (error) => log.debug({ err: error }, 'a command that warms an image has gone'));
    const answer = (told: WarmAnswer): void => {
      if (!socket.destroyed) socket.write(warmLine(told));
    };
    this.#warms++;
    try {
      if (this.#warms > limits.warmsMax) throw tooMany();
      const { tenant, ...order } = await this.#orderOf(socket);
      const whose = tenant === undefined ? {} : ({ isolation: 'maximum', tenant } as const);
      answer({ template: await vms.warm({ ...order, ...whose }, (step) => answer({ step })) });
    } catch (error) {
      answer({ problem: problemOfError(asBlixardError(error)) });
    } finally {
      this.#warms--;
      socket.destroySoon();
    }
  }

  /** Rejects with USAGE. */
  #orderOf(socket: Socket): Promise<WarmOrder> {
    return new Promise((resolve, reject) => {
      const refuse = (problem: string): void => {
        timer.cancel();
        reject(new BlixardError('USAGE', { problem }));
      };
      const timer = this.#deps.clock.after(orderMs, () =>
        refuse(`no order came within ${formatDurationMs(orderMs)}`),
      );
      socket.once('close', () => refuse('the command went away before its order came'));
      eachLine(socket, limits.warmOrderBytes, (line) => {
        timer.cancel();
        try {
          resolve(readWarmOrder(line));
        } catch (error) {
          refuse(problemOf(error));
        }
      });
    });
  }
}

function tooMany(): BlixardError {
  return new BlixardError('VM_LIMIT', { problem: `${limits.warmsMax} templates are asked for already` });
}
