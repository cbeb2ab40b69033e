/** The answer to a work call: the jobs it gives out have a text, and are made into values only where one looks. */
import type { ClaimedJob, WorkReply } from '../../contract/worker.ts';
import { KnownText } from '../json-text.ts';
import type { Claims } from './claims.ts';

type Rest = Omit<WorkReply, 'claimed'>;

class ToldWork extends KnownText implements WorkReply {
  readonly cancel: WorkReply['cancel'];
  readonly fenced: WorkReply['fenced'];
  readonly unstarted: WorkReply['unstarted'];
  readonly state: WorkReply['state'];
  readonly leaseUntilMs: number;
  readonly #claims: string;
  readonly #rest: Rest;
  #claimed: ClaimedJob[] | undefined;

  constructor(claims: string, rest: Rest) {
    super();
    this.cancel = rest.cancel;
    this.fenced = rest.fenced;
    this.unstarted = rest.unstarted;
    this.state = rest.state;
    this.leaseUntilMs = rest.leaseUntilMs;
    this.#claims = claims;
    this.#rest = rest;
  }

  get claimed(): ClaimedJob[] {
    this.#claimed ??= JSON.parse(this.#claims) as ClaimedJob[];
    return this.#claimed;
  }

  /** For who makes it into text without knowing that it has one. */
  toJSON(): WorkReply {
    return { claimed: this.claimed, ...this.#rest };
  }

  override jsonText(): string {
    return `{"claimed":${this.#claims},${JSON.stringify(this.#rest).slice(1)}`;
  }
}

/** The answer with these claims. */
export function toldWork({ ids, text }: Claims, rest: Rest): WorkReply {
  return ids.length === 0 ? { claimed: [], ...rest } : new ToldWork(text, rest);
}
