/**
 * Opens the VMs of a host that had none at its start: once its images have changed, since the first one may be there
 * now; and, while another process has them, every now and then.
 */
import type { ImageStore } from '../image/image-store.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Door } from './vm-service.ts';

/** A build moves several files. */
const settleMs = 50;
/** Between tries while another process has the VMs: 5 s, doubling to 1 min. */
const locked = { firstMs: 5_000, msMax: 60_000 };

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
  #isClosed = false;
  #tell: ((door: Door) => void) | undefined;
  #hasChanged = false;
  #isLocked = false;
  #waitMs = locked.firstMs;
  #settle: Timer | undefined;
  #retry: Timer | undefined;
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

  /** The first opening. Never rejects. */
  async open(): Promise<Door> {
    this.#hasChanged = false;
    const door = await this.#deps.open();
    this.#isLocked = 'unavailable' in door && door.isLocked === true;
    return door;
  }

  /** The first opening came to nothing: tells what each further one comes to, the last of which succeeds. */
  begin(tell: (door: Door) => void): void {
    this.#tell = tell;
    this.#goOn();
  }

  /** Looks out no more; resolves when no opening is under way. Safe to call again. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#settle?.cancel();
    this.#retry?.cancel();
    await this.#opening;
  }

  #changed(): void {
    this.#hasChanged = true;
    if (this.#tell === undefined || this.#isClosed || this.#opening !== undefined) return;
    this.#settle ??= this.#deps.clock.after(settleMs, () => {
      this.#settle = undefined;
      this.#openAgain();
    });
  }

  /** An opening came to nothing: the next one is due when something has changed, or may have. */
  #goOn(): void {
    if (this.#hasChanged) this.#changed();
    if (!this.#isLocked || this.#isClosed) return;
    this.#retry?.cancel();
    this.#retry = this.#deps.clock.after(this.#waitMs, () => this.#openAgain());
    this.#waitMs = Math.min(2 * this.#waitMs, locked.msMax);
  }

  #openAgain(): void {
    const tell = this.#tell;
    if (tell === undefined || this.#isClosed || this.#opening !== undefined) return;
    this.#opening = this.#open(tell);
  }

  async #open(tell: (door: Door) => void): Promise<void> {
    const door = await this.open();
    tell(door);
    this.#opening = undefined;
    if ('manager' in door) await this.close();
    else this.#goOn();
  }
}
