/** Runs one step of set-up as a child process and shows it: a spinner on a terminal, plain lines when piped. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const terminal = process.stdout.isTTY === true;
const colour = terminal && process.env['NO_COLOR'] === undefined;
const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const titleWidth = 34;
/** Lines kept of a step's output: the cause often stands first, the failure last. */
const kept = { first: 8, last: 24 };
const frameMs = 100;

const paint = (code, text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
const seconds = (sinceMs) => `${((performance.now() - sinceMs) / 1_000).toFixed(1)}s`;

/** A step that failed; `output` is what matters of its output, `hint` says what to do. */
export class StepFailed extends Error {
  constructor(message, { output = [], hint }) {
    super(message);
    this.output = output;
    this.hint = hint;
  }
}

/** One line for a step that is in place or done. */
export function tick(title, note = '') {
  const line = note === '' ? title : `${title.padEnd(titleWidth)} ${paint(2, note)}`;
  process.stdout.write(`  ${paint(32, '✔')} ${line}\n`);
}

/** Runs `command`, shows that it runs, and rejects with StepFailed when it does not exit with 0. */
export async function runStep(title, command, args, { env = {}, cwd, hint }) {
  const startedMs = performance.now();
  const progress = terminal ? spin(title, startedMs) : plain(title);
  const { code, output } = await runQuietly(command, args, { env, cwd, onLine: progress.detail });
  progress.stop();
  if (code !== 0) throw new StepFailed(`${title} failed after ${seconds(startedMs)}`, { output, hint });
  tick(title, seconds(startedMs));
}

/** Prints a failed step with the end of its output and what to do. */
export function reportFailure(error) {
  if (!(error instanceof StepFailed)) throw error;
  process.stdout.write(`  ${paint(31, '✘')} ${error.message}\n`);
  for (const line of error.output) process.stdout.write(`    ${paint(2, '│')} ${line}\n`);
  process.stdout.write(`\n${error.hint}\n`);
}

function runQuietly(command, args, { env, cwd, onLine }) {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines = [];
  let left = 0;
  const keep = (line) => {
    onLine(line);
    lines.push(line);
    if (lines.length > kept.first + kept.last) left += lines.splice(kept.first, 1).length;
  };
  const told = () => (left === 0 ? lines : lines.toSpliced(kept.first, 0, `… ${left} lines left out …`));
  createInterface({ input: child.stdout }).on('line', keep);
  createInterface({ input: child.stderr }).on('line', keep);
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: 127, output: [error.message] }));
    child.on('close', (code) => resolve({ code, output: told() }));
  });
}

function spin(title, startedMs) {
  let detail = '';
  let frame = 0;
  const draw = () => {
    const sign = paint(36, spinner[frame++ % spinner.length]);
    const head = `  ${sign} ${title.padEnd(titleWidth)} ${seconds(startedMs)}`;
    const room = (process.stdout.columns ?? 80) - titleWidth - 14;
    process.stdout.write(`\r\x1b[2K${head}  ${paint(2, detail.slice(0, Math.max(room, 0)))}`);
  };
  const timer = setInterval(draw, frameMs);
  draw();
  return {
    detail: (line) => {
      detail = line.trim().replace(/^blixard: /, '');
    },
    stop: () => {
      clearInterval(timer);
      process.stdout.write('\r\x1b[2K');
    },
  };
}

function plain(title) {
  process.stdout.write(`  - ${title} …\n`);
  return { detail: () => undefined, stop: () => undefined };
}
