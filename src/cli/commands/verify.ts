/** blixard verify: whether what is stored holds what Blixard promises. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, printJson } from '../command.ts';
import type { VerifyFiles, VerifyLine } from '../context.ts';
import { type Colour, printable } from '../output/style.ts';

export function addVerify(parent: Command, home: CommandHome): void {
  addCommand<VerifyFiles>(parent, home, {
    usage: 'verify',
    summary: 'hold a data directory to the invariants; reads only, also while a server runs',
    flags: 'verify',
    printsData: true,
    examples: ['blixard verify', 'blixard verify --data-dir /var/lib/blixard --effects effects.log -o json'],
    setUp: (command) =>
      command
        .option('--effects <file>', 'lines "jobId attempt" that commands appended: at most one per attempt')
        .option('--accepted <file>', 'job ids, one a line, whose submits were answered: all must be there'),
    run,
  });
}

const signs: Readonly<Record<VerifyLine['result'], readonly [string, Colour]>> = {
  ok: ['✔', 'green'],
  violated: ['✘', 'red'],
  unchecked: ['-', 'dim'],
};

async function run(call: Call<VerifyFiles>): Promise<number> {
  const { effects, accepted } = call.options;
  const files = { ...(effects && { effects }), ...(accepted && { accepted }) };
  const lines = await call.context.host.verify(call.flags, files);
  const violated = lines.filter(({ result }) => result === 'violated').length;
  if (call.json) await printJson(call, { sound: violated === 0, invariants: lines });
  else
    await print(call, `${lines.flatMap((line) => textOf(call, line)).join('\n')}\n\n${verdict(violated)}\n`);
  return violated === 0 ? 0 : 1;
}

function textOf(call: Call<VerifyFiles>, line: VerifyLine): string[] {
  const [sign, colour] = signs[line.result];
  const looked = Object.entries(line.looked).map(([kind, count]) => `${count} ${kind}`);
  const scope = looked.length === 0 ? 'not asked for' : looked.join(', ');
  return [
    `${call.paint(colour, sign)} ${line.invariant.padEnd(5)}  ${line.text}  ${call.paint('dim', `(${scope})`)}`,
    ...line.violations.flatMap(({ rule, count, more, rows }) => [
      `         ${rule}, ${more ? 'more than ' : ''}${count} times:`,
      ...rows.map((row) => `           ${printable(row)}`),
    ]),
  ];
}

function verdict(violated: number): string {
  return violated === 0 ? 'All that was looked at holds.' : `${violated} invariants do not hold.`;
}
