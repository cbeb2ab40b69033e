/** Logging as a port: pino, JSON lines on standard error, or nothing. */
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';
import { limits } from '../domain/limits.ts';
import { logLineForPeople } from './log-line.ts';

export type Log = PinoLogger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** `json` for programs, `lines` for people at a terminal. */
export type LogForm = 'json' | 'lines';

/** A log on standard error that drops what is less important than `level`. It never throws: see `LineOutput`. */
export function makeLog(level: LogLevel, form: LogForm = 'json'): Log {
  return logTo(2, level, form);
}

/** As `makeLog`, on any descriptor. */
export function logTo(fd: number, level: LogLevel, form: LogForm): Log {
  const tellLost = (lostLines: number): void =>
    log.error({ lostLines }, 'log lines were lost: they could not be written');
  const output = new LineOutput(fd, tellLost);
  const lines = { write: (json: string) => output.write(logLineForPeople(json)) };
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const log = pino(options, form === 'lines' ? lines : output);
  return log;
}

/**
 * Lines that cannot be written, as on a full disk, do not end the work that tells them: up to
 * `limits.ownLogWaitingBytes` of them are tried again with the next one, the others are counted.
 */
class LineOutput implements DestinationStream {
  readonly #out: ReturnType<typeof pino.destination>;
  readonly #tellLost: (lostLines: number) => void;
  #lostLines = 0;
  #hasFailed = false;

  constructor(fd: number, tellLost: (lostLines: number) => void) {
    this.#out = pino.destination({ fd, sync: true, maxLength: limits.ownLogWaitingBytes });
    this.#tellLost = tellLost;
    this.#out.on('error', () => {
      this.#hasFailed = true;
    });
    this.#out.on('drop', () => {
      this.#lostLines++;
    });
  }

  write(line: string): void {
    if (this.#lostLines > 0) this.#tryAgain();
    this.#out.write(line);
  }

  /** Where too much waits, only a write of nothing is tried; once what waits is written, the loss is told. */
  #tryAgain(): void {
    this.#hasFailed = false;
    this.#out.write('');
    if (this.#hasFailed) return;
    const lostLines = this.#lostLines;
    this.#lostLines = 0;
    this.#tellLost(lostLines);
  }
}

export const silentLog: Log = pino({ level: 'silent' });
