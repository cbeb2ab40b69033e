/** Opens the VMs of a host that had none at its start once its images have changed: the first one may be there now. */
import type { ImageStore } from '../image/image-store.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Door } from './vm-service.ts';

/** A build moves several files. */
const settleMs = 50;

/** What it is made with. */
export interface LateOpeningDeps {
  readonly images: Partial<Pick<ImageStore, 'watch'>>;
  /** Never rejects. */
  readonly open: () => Promise<Door>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Looks out for images from its making on, so that none is missed while the first opening is under way. */
export class LateOpening {
  readonly #deps: LateOpeningDeps;
  #unwatch: (() => void) | undefined;
  #tell: ((door: Door) => void) | undefined;
  #hasChanged = false;
  #settle: Timer | undefined;
  #opening: Promise<void> | undefined;

  constructor(deps: LateOpeningDeps) {
    this.#deps = deps;
    const onError = (error: unknown): void =>
      deps.log.warn({ err: error }, 'VMs wait for the next start of this worker: new images are not noticed');
    try {
      this.#unwatch = deps.images.watch?.({ onChange: () => this.#changed(), onError });
    } catch (error) {
      onError(error);
    }
  }

  /** The first opening came to nothing: tells what each further one comes to, the last of which succeeds. */
  begin(tell: (door: Door) => void): void {
    this.#tell = tell;
    if (this.#hasChanged) this.#changed();
  }

  /** Looks out no more; resolves when no opening is under way. Safe to call again. */
  async close(): Promise<void> {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#settle?.cancel();
    await this.#opening;
  }

  #changed(): void {
    this.#hasChanged = true;
    const tell = this.#tell;
    if (tell === undefined || this.#unwatch === undefined || this.#opening !== undefined) return;
    this.#settle ??= this.#deps.clock.after(settleMs, () => {
      this.#settle = undefined;
      this.#opening = this.#open(tell);
    });
  }

  async #open(tell: (door: Door) => void): Promise<void> {
    this.#hasChanged = false;
    const door = await this.#deps.open();
    tell(door);
    this.#opening = undefined;
    if ('manager' in door) await this.close();
    else if (this.#hasChanged) this.#changed();
  }
}
