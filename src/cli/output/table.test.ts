import { describe, expect, it } from 'vitest';
import { makePaint, printable } from './style.ts';
import { type Column, renderFacts, renderTable } from './table.ts';

interface Row {
  readonly name: string;
  readonly size: number;
}
const columns: readonly Column<Row>[] = [
  { head: 'NAME', flexible: true, cell: ({ name }) => name },
  { head: 'SIZE', align: 'right', cell: ({ size }) => String(size) },
];
const plain = makePaint(false);

describe('a table', () => {
  it('has columns as wide as their cells and no blanks at the end of a line', () => {
    const rows = [
      { name: 'a', size: 1 },
      { name: 'longer name', size: 12_345 },
    ];
    expect(renderTable(rows, columns, plain)).toBe(
      ['NAME          SIZE', 'a                1', 'longer name  12345', ''].join('\n'),
    );
  });

  it('is only its head when there is no row', () => {
    expect(renderTable([], columns, plain)).toBe('NAME  SIZE\n');
  });

  it('cuts the flexible column to fit the terminal, and says so', () => {
    const text = renderTable([{ name: 'x'.repeat(100), size: 1 }], columns, plain, 40);
    expect(text).toContain(`${'x'.repeat(33)}…`);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBe(40);
  });

  it('leaves out optional columns, the last first, only where they do not fit', () => {
    const optional = (head: string): Column<Row> => ({ head, optional: true, cell: () => 'y'.repeat(20) });
    const wide = [optional('FIRST'), ...columns, optional('LAST')];
    const heads = (width: number): readonly string[] =>
      (renderTable([{ name: 'x'.repeat(30), size: 1 }], wide, plain, width).split('\n')[0] ?? '').split(/ +/);
    expect(heads(70)).toEqual(['FIRST', 'NAME', 'SIZE', 'LAST']);
    expect(heads(60)).toEqual(['FIRST', 'NAME', 'SIZE']);
    expect(heads(30)).toEqual(['NAME', 'SIZE']);
  });

  it('colours a cell without changing its width', () => {
    const red: Column<Row> = { head: 'NAME', cell: ({ name }) => name, colour: () => 'red' };
    const text = renderTable([{ name: 'a', size: 1 }], [red, ...columns.slice(1)], makePaint(true));
    expect(text).toContain('\x1b[31ma   \x1b[0m     1');
  });

  it('lets no cell write to the screen on its own', () => {
    const text = renderTable([{ name: 'a\x1b[2J\nb\x07', size: 1 }], columns, plain);
    expect(text).toContain('a�[2J ↵ b�');
    expect(printable('tab\there')).toBe('tab�here');
  });
});

describe('facts', () => {
  it('stand under each other, the unknown left out', () => {
    expect(
      renderFacts(
        [
          ['id', 'x'],
          ['waits', undefined],
          ['command', 'true'],
        ],
        plain,
      ),
    ).toBe('id       x\ncommand  true\n');
  });
});
