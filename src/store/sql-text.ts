/** Reads SQL text just far enough to judge it: what stands outside of literals, how it nests, where it ends. */

const skipped = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?\*\//g;

/** The text with each string literal as `''`, each quoted name as `""`, and each comment as one blank. */
export function bareSql(sql: string): string {
  return sql.replace(skipped, (part) => {
    if (part.startsWith("'")) return "''";
    return /^(--|\/\*)/.test(part) ? ' ' : '""';
  });
}

/** How many `?` stand in bare SQL. */
export function countPlaceholders(bare: string): number {
  return bare.split('?').length - 1;
}

/** True when bare SQL holds one statement, which may end in `;`. A trigger's body holds several up to its END. */
export function isOneStatement(bare: string): boolean {
  const parts = bare.trim().replace(/;$/, '').split(';');
  if (!opensTrigger(bare)) return parts.length === 1;
  return parts.findIndex((part) => /^\s*end\s*$/i.test(part)) === parts.length - 1;
}

/** True when SQL starts a trigger, whose body holds statements that end in `;`. */
export function opensTrigger(sql: string): boolean {
  return /^\s*create\s+trigger\b/i.test(sql);
}

/** True when a LIMIT has no ORDER BY at the same depth of parentheses. */
export function hasUnorderedLimit(bare: string): boolean {
  const ordered = [false];
  for (const [token] of bare.matchAll(/[();]|\border\s+by\b|\blimit\b/gi)) {
    if (token === '(') ordered.push(false);
    else if (token === ')') ordered.pop();
    else if (token === ';') ordered[ordered.length - 1] = false;
    else if (token.toLowerCase() !== 'limit') ordered[ordered.length - 1] = true;
    else if (!ordered.at(-1)) return true;
  }
  return false;
}
