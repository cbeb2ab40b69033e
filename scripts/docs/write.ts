/** `npm run docs`: writes the pages that are made from the code. */
import { writeFileSync } from 'node:fs';
import { renderPages } from './pages.ts';

for (const [name, text] of Object.entries(renderPages())) {
  writeFileSync(new URL(`../../docs/${name}`, import.meta.url), text);
  process.stdout.write(`docs/${name}\n`);
}
