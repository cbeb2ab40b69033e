import { describe, expect, it } from 'vitest';
import { openapiDocument } from './openapi.ts';
import { type Route, routes } from './routes.ts';

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { name: string; in: string; required: boolean; schema: object }[];
  readonly requestBody?: { required: boolean; content: Record<string, { schema?: object }> };
  readonly responses: Record<string, { description: string; content: Record<string, { schema?: object }> }>;
}

const document = JSON.parse(JSON.stringify(openapiDocument('1.2.3'))) as {
  openapi: string;
  info: { version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

/** Every value under a key of this name, anywhere. */
function under(key: string, node: unknown): unknown[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([name, value]) => [
    ...(name === key ? [value] : []),
    ...under(key, value),
  ]);
}

describe('the OpenAPI document', () => {
  it('has each route of the table once, under its name', () => {
    expect(document).toMatchObject({ openapi: '3.1.0', info: { version: '1.2.3' } });
    expect(operations.map(({ operation }) => operation.operationId).sort()).toEqual(
      Object.keys(routes).sort(),
    );
    for (const { path, method, operation } of operations) {
      const route = Object.entries<Route>(routes).find(([name]) => name === operation.operationId)?.[1];
      expect(route).toMatchObject({ path, method: method.toUpperCase() });
    }
  });

  it('declares each parameter of a path, and only those', () => {
    for (const { path, operation } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const declared = operation.parameters.filter((parameter) => parameter.in === 'path');
      expect(declared.map(({ name }) => name).sort()).toEqual(inPath.sort());
      expect(declared.every(({ required }) => required)).toBe(true);
    }
  });

  it('points nowhere that is not there', () => {
    const references = under('$ref', document);
    expect(references.length).toBeGreaterThan(0);
    expect(new Set(references)).toEqual(new Set(['#/components/schemas/Problem']));
    expect(document.components.schemas['Problem']).toMatchObject({ type: 'object' });
  });

  it('tells the errors of each route as problems, beside its success', () => {
    for (const { operation } of operations) {
      for (const [status, { description, content }] of Object.entries(operation.responses)) {
        expect(description).not.toBe('');
        const isProblem = content['application/problem+json'] !== undefined;
        expect(isProblem, `${operation.operationId} ${status}`).toBe(Number(status) >= 400);
      }
      const told = JSON.stringify(operation.responses);
      const route: Route = routes[operation.operationId as keyof typeof routes];
      for (const code of [...route.errors, 'INTERNAL']) expect(told).toContain(code);
    }
  });

  it('tells of a range that is asked for, and of a store that more wait for than may', () => {
    const statusesOf = (name: string): string[] =>
      Object.keys(
        operations.find(({ operation }) => operation.operationId === name)?.operation.responses ?? {},
      );
    expect(statusesOf('readArtifact')).toEqual(expect.arrayContaining(['200', '206', '416']));
    for (const name of ['submitJob', 'submitJobs', 'cancelJob', 'setQueue', 'work'])
      expect(statusesOf(name)).toEqual(expect.arrayContaining(['429', '503', '507']));
    expect(statusesOf('getJob')).not.toContain('206');
  });

  it('bounds every number and text that a request may carry', () => {
    const schemas = operations.flatMap(({ operation }) => [operation.parameters, operation.requestBody]);
    const nodes = schemas.flatMap((schema) => [...everyNode(schema)]) as Record<string, unknown>[];
    for (const node of nodes) {
      if (node['type'] === 'integer' || node['type'] === 'number') {
        expect(node).toMatchObject({
          minimum: expect.any(Number) as number,
          maximum: expect.any(Number) as number,
        });
      }
      if (node['type'] === 'array') expect(node).toHaveProperty('maxItems');
      if (node['type'] === 'object') expect(node).toHaveProperty('additionalProperties', false);
      if (node['type'] === 'string')
        expect(node['maxLength'] ?? node['enum'] ?? node['pattern']).toBeDefined();
    }
  });

  function* everyNode(node: unknown): Generator<object> {
    if (typeof node !== 'object' || node === null) return;
    yield node;
    for (const child of Object.values(node)) yield* everyNode(child);
  }
});
