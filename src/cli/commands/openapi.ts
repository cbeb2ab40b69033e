/** blixard openapi: the HTTP interface as an OpenAPI document. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, printJson } from '../command.ts';

export function addOpenapi(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'openapi',
    summary: 'print the HTTP interface as an OpenAPI 3.1 document',
    examples: ['blixard openapi > openapi.json'],
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  const { openapiDocument } = await import('../../contract/openapi.ts');
  await printJson(call, openapiDocument(call.context.version));
}
