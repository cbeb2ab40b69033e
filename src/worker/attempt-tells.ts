/** Everything one attempt tells beside its output: progress, result, artifacts. */
import type { BlixardClient } from '../client/client.ts';
import type { AttemptRef } from '../contract/worker.ts';
import type { Execution } from '../executor/executor.ts';
import { ArtifactUploads, type UploadPart } from './artifact-uploads.ts';
import { AttemptCaller, type AttemptCallerDeps } from './attempt-caller.ts';
import type { Holder } from './attempt-run.ts';
import { ProgressTeller } from './progress-teller.ts';
import { answerTimeoutMs } from './until-answered.ts';

/** Whose attempt it is. */
export interface AttemptTellsDeps extends AttemptCallerDeps {
  readonly client: BlixardClient;
  readonly holder: Holder;
  readonly attempt: AttemptRef;
  /** Resolves when the start of the attempt is told, which comes before all else. */
  readonly started: () => Promise<void>;
}

/** What an execution of it is given. */
export class AttemptTells implements Pick<Execution, 'progress' | 'result' | 'artifact'> {
  readonly progress: Execution['progress'];
  readonly artifact: Execution['artifact'];
  readonly #deps: AttemptTellsDeps;
  readonly #caller: AttemptCaller;
  readonly #teller: ProgressTeller;

  constructor(deps: AttemptTellsDeps) {
    this.#deps = deps;
    this.#caller = new AttemptCaller(deps);
    const teller = new ProgressTeller({ ...deps, tell: (told) => this.#tell(told) });
    const uploads = new ArtifactUploads({ send: (part) => this.#send(part) });
    this.#teller = teller;
    this.progress = (told) => teller.take(told);
    this.artifact = (name, data, last) => uploads.take(name, data, last);
  }

  readonly result = async (json: Buffer): Promise<void> => {
    const { client, holder } = this.#deps;
    await this.#ask('putResult', (signal) =>
      client.call('putResult', { ...this.#place(signal), query: holder, body: json }),
    );
  };

  /** Resolves when the last progress is told; never rejects. */
  finish(): Promise<void> {
    return this.#teller.finish();
  }

  async #tell(told: Parameters<Execution['progress']>[0]): Promise<void> {
    const { client, holder } = this.#deps;
    await this.#ask('tellProgress', (signal) =>
      client.call('tellProgress', { ...this.#place(signal), body: { ...holder, ...told } }),
    );
  }

  async #send({ bytes, ...part }: UploadPart): Promise<void> {
    const { client, holder } = this.#deps;
    await this.#ask('putArtifact', (signal) =>
      client.call('putArtifact', { ...this.#place(signal), query: { ...holder, ...part }, body: bytes }),
    );
  }

  async #ask(what: string, call: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    await this.#deps.started();
    await this.#caller.ask(what, call);
  }

  #place(signal: AbortSignal) {
    const { jobId: id, attempt } = this.#deps.attempt;
    return { params: { id, attempt }, signal, timeoutMs: answerTimeoutMs };
  }
}
