/** Server-sent events as text (HTML Living Standard §9.2). */

/** One event; with an id the reader can go on behind it. */
export function sseEvent(name: string, data: object, id?: string): string {
  return `event: ${name}\n${idLine(id)}data: ${JSON.stringify(data)}\n\n`;
}

/** What readers pass over; with an id they go on behind it all the same. */
export function sseComment(text: string, id?: string): string {
  return `: ${text}\n${idLine(id)}\n`;
}

function idLine(id: string | undefined): string {
  return id === undefined ? '' : `id: ${id}\n`;
}
