/** Reads what a command writes to its progress: lines such as `40 compiling`, `40%` or `compiling`. */
import { StringDecoder } from 'node:string_decoder';
import { limits } from '../domain/limits.ts';
import type { ProgressTold } from './executor.ts';

const line = /^(?:(\d{1,3})(?:\.\d*)? ?%?(?= |$))?(.*)$/u;
/** Words end up on terminals, which obey control characters. */
const controls = /[\p{Cc}\p{Cs}\s]+/gu;

/** Holds at most one line that has not come to its end; a longer one is cut. */
export class ProgressLines {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #percent: number | null = null;

  /** The newest that these bytes tell; undefined when they have no whole line. */
  push(data: Buffer): ProgressTold | undefined {
    const lines = (this.#rest + this.#decoder.write(data)).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, limits.progressLineBytes);
    const told = lines.filter((text) => text.trim() !== '').map((text) => this.#read(text));
    return told.at(-1);
  }

  /** What was written without a line end, when nothing follows. */
  finish(): ProgressTold | undefined {
    return this.#rest === '' ? undefined : this.push(Buffer.from('\n'));
  }

  /** A line without a number is about the percent told before. */
  #read(text: string): ProgressTold {
    const plain = text.slice(0, limits.progressLineBytes).replace(controls, ' ').trim();
    const [, percent, words = ''] = line.exec(plain) ?? [];
    if (percent !== undefined) this.#percent = Math.min(100, Number(percent));
    return { percent: this.#percent, message: cut(words.trim()) };
  }
}

/** Never in the middle of a character that takes two places. */
function cut(text: string): string {
  return text.slice(0, limits.progressMessageLength).replace(/[\ud800-\udbff]$/, '');
}
