/** A command as it would be typed into a shell, on one line. */
import { printable } from './style.ts';

const plain = /^[\w@%+=:,./-]+$/;

/** Arguments with spaces or signs of the shell stand in quotes, so that it can be seen where each ends. */
export function commandText(command: readonly string[]): string {
  const words = command.map((word) => (plain.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`));
  return printable(words.join(' '));
}
