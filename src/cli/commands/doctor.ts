/** blixard doctor: what works on this host, what does not, and how to mend it. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, printJson } from '../command.ts';
import type { Finding } from '../context.ts';
import { type Colour, printable } from '../output/style.ts';

export function addDoctor(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'doctor',
    summary: 'check this host and say how to mend what is wrong',
    flags: 'doctor',
    printsData: true,
    examples: ['blixard doctor', 'blixard doctor --server http://10.0.0.5:3020'],
    run,
  });
}

const signs: Readonly<Record<Finding['result'], readonly [string, Colour]>> = {
  ok: ['✔', 'green'],
  warn: ['!', 'yellow'],
  fail: ['✘', 'red'],
};

async function run(call: Call): Promise<number> {
  const findings = await call.context.host.doctor(call.flags);
  const failed = findings.filter(({ result }) => result === 'fail').length;
  if (call.json) await printJson(call, { findings });
  else await print(call, textOf(call, findings, failed));
  return failed === 0 ? 0 : 1;
}

function textOf(call: Call, findings: readonly Finding[], failed: number): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ check, result, text, mend }) => {
    const [sign, colour] = signs[result];
    const line = `${call.paint(colour, sign)} ${check.padEnd(width)}  ${printable(text)}`;
    return mend === null ? [line] : [line, `  ${' '.repeat(width)}  ${call.paint('dim', `→ ${mend}`)}`];
  });
  const warned = findings.filter(({ result }) => result === 'warn').length;
  return `${lines.join('\n')}\n\n${verdict(failed, warned)}\n`;
}

function verdict(failed: number, warned: number): string {
  if (failed > 0) return `${failed} to mend before jobs can run here.`;
  return warned > 0 ? `Jobs can run here; ${warned} worth a look.` : 'All is well.';
}
