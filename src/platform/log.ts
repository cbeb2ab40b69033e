/** Logging as a port: pino, JSON lines on standard error, or nothing. */
import { type Logger as PinoLogger, pino } from 'pino';
import { logLineForPeople } from './log-line.ts';

export type Log = PinoLogger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** `json` for programs, `lines` for people at a terminal. */
export type LogForm = 'json' | 'lines';

/** A log on standard error that drops what is less important than `level`. */
export function makeLog(level: LogLevel, form: LogForm = 'json'): Log {
  const stderr = pino.destination({ fd: 2, sync: true });
  const lines = { write: (json: string) => void stderr.write(logLineForPeople(json)) };
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return pino(options, form === 'lines' ? lines : stderr);
}

export const silentLog: Log = pino({ level: 'silent' });
