/** Colours for text on a terminal, and text made safe to print there. */
import type { JobState } from '../../domain/job.ts';
import type { WorkerState } from '../../domain/worker.ts';

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const;
/** A colour by name, or `bold` or `dim`. */
export type Colour = keyof typeof codes;

/** Paints text, or leaves it as it is where colours are off. */
export type Paint = (colour: Colour, text: string) => string;

/** Paints when `enabled`, else gives the text back. */
export function makePaint(enabled: boolean): Paint {
  return (colour, text) => (enabled ? `\x1b[${codes[colour]}m${text}\x1b[0m` : text);
}

const stateColours: Readonly<Record<JobState | WorkerState, Colour>> = {
  blocked: 'dim',
  scheduled: 'blue',
  pending: 'blue',
  claimed: 'cyan',
  running: 'cyan',
  completed: 'green',
  failed: 'red',
  cancelled: 'yellow',
  online: 'green',
  draining: 'yellow',
  offline: 'dim',
};

/** The colour in which a state is shown everywhere. */
export function colourOfState(state: JobState | WorkerState): Colour {
  return stateColours[state];
}

/** One line of text without control characters, which could move the cursor or colour the screen. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  return text.replace(/\s*\n\s*/g, ' ↵ ').replace(/[\u0000-\u001f\u007f-\u009f]/g, '�');
}
