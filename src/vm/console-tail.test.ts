import fc from 'fast-check';
import { expect, it } from 'vitest';
import { consoleTail, lastWords } from './console-tail.ts';

it('keeps the end of a console, as one line', () => {
  expect(consoleTail('[ 0.1] booting\r\n\u001b[31mno init\u0000\n', 100)).toBe('[ 0.1] booting [31mno init');
  expect(consoleTail('abcdef', 4)).toBe('…def');
  expect(consoleTail('abcdef', 0)).toBe('');
});

it('leaves out what every boot complains of, which would look like the cause of a crash', () => {
  const text =
    '[0.2] PCI: Fatal: No config space access function found\r\nOut of memory: Killed process 7\r\n';
  expect(consoleTail(text, 100)).toBe('Out of memory: Killed process 7');
});

it('of a panic it keeps the first words', () => {
  const text = '[1.0] Kernel panic - not syncing: no init\n[1.0] CPU: 0 PID: 1\n[1.1] RAX: 0 RBX: 0';
  expect(consoleTail(text, 30)).toBe('Kernel panic - not syncing: n…');
});

it('the words of the VMM come before those of the console, and none makes no lead', () => {
  const exit = { code: 1, signal: null, stderr: 'qemu: unsupported\nmachine type' };
  expect(lastWords('no init\n', exit, 100)).toBe('; VMM: qemu: unsupported machine type; console: no init');
  expect(lastWords('', exit, 20)).toBe('; VMM: …machine type');
  expect(lastWords('no init', { ...exit, stderr: '' }, 100)).toBe('; console: no init');
  expect(lastWords('no init', exit, 6)).toBe('');
});

it('never gives more than asked for, no control character and no half of one', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.boolean(),
      fc.integer({ min: 0, max: 40 }),
      (text, panics, max) => {
        const tail = consoleTail(panics ? `${text}Kernel panic${text}` : text, max);
        expect(tail.length).toBeLessThanOrEqual(max);
        expect(tail).not.toMatch(/[\p{Cc}\p{Cs}]/u);
      },
    ),
  );
});
