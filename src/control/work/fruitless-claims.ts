/** Which workers have found nothing to claim since something was last ready: an idle worker need not look again. */
import { limits } from '../../domain/limits.ts';
import type { Holder } from '../fence.ts';

interface Fruitless {
  readonly generation: number;
  readonly news: number;
  readonly atMs: number;
}

/** At most one entry per live worker. What is ready without a word of it is found within `limits.waitMsMax`. */
export class FruitlessClaims {
  readonly #claims = new Map<string, Fruitless>();
  /** Counts what became ready, so that a claim under way when something did is not taken for one after it. */
  #news = 0;

  /** Something is ready. */
  forget(): void {
    this.#news++;
  }

  left(workerId: string): void {
    this.#claims.delete(workerId);
  }

  /** Called before a claim: gives what to call if it found less than it wanted. */
  mark({ workerId, generation }: Holder, atMs: number): () => void {
    const news = this.#news;
    return () => void this.#claims.set(workerId, { generation, news, atMs });
  }

  /** Whether a claim of this worker would find nothing now either. */
  covers({ workerId, generation }: Holder, nowMs: number): boolean {
    const last = this.#claims.get(workerId);
    if (last?.generation !== generation || last.news !== this.#news) return false;
    return nowMs - last.atMs < limits.waitMsMax;
  }
}
