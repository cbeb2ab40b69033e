/** The end of a VM's console as one line that fits into a message. */

const controls = /[\p{Cc}\p{Cs}\s]+/gu;
/** What a cut through a surrogate pair leaves at the start. */
const halfCharacter = /^[\udc00-\udfff]/;

/** The last printable characters of `text`, at most `maxLength`, line breaks as spaces. */
export function consoleTail(text: string, maxLength: number): string {
  const line = text.replace(controls, ' ').trim();
  if (line.length <= maxLength) return line;
  const tail = line.slice(line.length - maxLength + 1);
  return `…${tail.replace(halfCharacter, '')}`;
}
