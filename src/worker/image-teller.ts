/** Tells the server of the images of this host: with each registration, and when they have changed since. */
import { isDeepStrictEqual } from 'node:util';
import type { BlixardClient } from '../client/client.ts';
import type { RegisterWorker } from '../contract/worker.ts';
import { limits } from '../domain/limits.ts';
import type { Timer } from '../platform/clock.ts';
import { answerTimeoutMs, type CallerDeps, untilAnswered } from './until-answered.ts';

/** What of an image the server is told. */
export interface ImageList {
  list(
    onDamaged: (error: unknown) => void,
  ): Promise<readonly { readonly name: string; readonly tag: string; readonly digest: string }[]>;
  /** Calls `onChange` when the list may have changed, until the returned function is called. */
  watch?(watcher: { onChange(): void; onError(error: unknown): void }): () => void;
}

/** What a teller is built from. */
export interface ImageTellerDeps extends CallerDeps {
  readonly client: BlixardClient;
  readonly images: ImageList;
  readonly workerId: string;
}

type Told = RegisterWorker['images'];

/** Changes come in bunches: a build moves several files. */
const settleMs = 50;

/** One for all generations of a worker. */
export class ImageTeller {
  readonly #deps: ImageTellerDeps;
  readonly #closing = new AbortController();
  #unwatch: (() => void) | undefined;
  #generation: number | undefined;
  #told: Told = [];
  #settle: Timer | undefined;
  #telling: Promise<void> = Promise.resolve();

  constructor(deps: ImageTellerDeps) {
    this.#deps = deps;
  }

  /** Looks out for changes from now on; safe to call again. */
  start(): void {
    const { images, log } = this.#deps;
    const onError = (error: unknown): void =>
      log.warn({ err: error }, 'new images are not noticed before the next start of this worker');
    try {
      this.#unwatch ??= images.watch?.({ onChange: () => this.#changed(), onError });
    } catch (error) {
      onError(error);
    }
  }

  /** The images as they are now, those left out that are damaged; none when they cannot be read. */
  async list(): Promise<Told> {
    const { log } = this.#deps;
    try {
      const images = await this.#deps.images.list((error) =>
        log.error({ err: error }, 'a damaged image is not offered'),
      );
      const told = images.slice(0, limits.workerImagesMax);
      return told.map(({ name, tag, digest }) => ({ name: `${name}:${tag}`, digest }));
    } catch (error) {
      log.error({ err: error }, 'the images of this host cannot be read, it offers none');
      return [];
    }
  }

  /** A registration has told these; they may have changed meanwhile. */
  registered(generation: number, told: Told): void {
    this.#generation = generation;
    this.#told = told;
    if (this.#unwatch !== undefined) this.#changed();
  }

  stop(): void {
    this.#closing.abort();
    this.#settle?.cancel();
    this.#unwatch?.();
  }

  #changed(): void {
    if (this.#closing.signal.aborted) return;
    this.#settle ??= this.#deps.clock.after(settleMs, () => {
      this.#settle = undefined;
      this.#telling = this.#telling.then(() => this.#tell());
    });
  }

  async #tell(): Promise<void> {
    const { client, log, workerId: id } = this.#deps;
    const { signal } = this.#closing;
    const images = await this.list();
    const generation = this.#generation;
    if (generation === undefined || signal.aborted || isDeepStrictEqual(images, this.#told)) return;
    try {
      await untilAnswered(this.#deps, 'tellImages', signal, () => {
        const body = { generation, images };
        return client.call('tellImages', { params: { id }, body, signal, timeoutMs: answerTimeoutMs });
      });
      if (generation === this.#generation) this.#told = images;
      log.info({ images: images.map(({ name }) => name) }, 'the images of this host have changed');
    } catch (error) {
      // A newer generation tells them with its registration.
      if (!signal.aborted) log.warn({ err: error }, 'the server did not take the images of this host');
    }
  }
}
