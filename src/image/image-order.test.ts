import { describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { imageOrder } from './image-order.ts';
import { everyImage, recipeNames, recipes } from './recipe.ts';

const { rootPackages } = everyImage;

describe('an order of an image', () => {
  it('takes the recipe of its own name, and the tag latest', () => {
    expect(imageOrder({ image: 'base' })).toEqual({
      name: 'base',
      tag: 'latest',
      recipe: 'base',
      packages: rootPackages,
      named: [],
      hasNode: false,
    });
    expect(imageOrder({ image: 'python:3' })).toMatchObject({ name: 'python', tag: '3', recipe: 'python' });
    expect(imageOrder({ image: 'node' })).toMatchObject({ recipe: 'node', hasNode: true });
    expect(imageOrder({ image: 'mine', recipe: 'node' })).toMatchObject({ name: 'mine', hasNode: true });
  });

  it('adds packages to base, or to the recipe that is named', () => {
    const tools = imageOrder({ image: 'tools', packages: 'git, curl,git,' });
    expect(tools).toMatchObject({
      recipe: 'base',
      named: ['curl', 'git'],
      packages: [...rootPackages, 'curl', 'git'].sort(),
    });
    const more = imageOrder({ image: 'python', packages: 'g++' });
    expect(more.packages).toEqual([...rootPackages, ...recipes.python.packages, 'g++'].sort());
    expect(imageOrder({ image: 'python', recipe: 'base', packages: 'git' }).packages).not.toContain(
      'python3',
    );
  });

  it('does not depend on the order of the packages', () => {
    expect(imageOrder({ image: 'a', packages: 'git,curl' })).toEqual(
      imageOrder({ image: 'a', packages: 'curl,git' }),
    );
  });

  const refused = (wish: Parameters<typeof imageOrder>[0], ...words: string[]): void => {
    for (const word of words) {
      expect(() => imageOrder(wish)).toThrow(
        expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(word) }),
      );
    }
  };

  it('refuses a bad name, naming it and what is allowed', () => {
    for (const image of ['', 'Base', 'a/b', '../x', 'a:', ':latest', '-x', 'a:b:c', 'x'.repeat(65)]) {
      refused({ image, packages: 'git' }, `the image ${image}: it must be`, 'lower-case letters');
    }
  });

  it('refuses a name without recipe and packages, and a recipe that is not there', () => {
    refused({ image: 'pyhton' }, 'pyhton', '--packages', 'base|python|node');
    refused({ image: 'constructor' }, 'no recipe of this name');
    refused({ image: 'a', recipe: 'ruby' }, '--recipe ruby', 'base, python, node');
    refused({ image: 'a', recipe: 'toString', packages: 'git' }, '--recipe toString');
  });

  it('refuses what is no name of a package, also what apt would take for more than a name', () => {
    for (const one of [
      'Git',
      'git-',
      'git=1',
      'git:i386',
      'git*',
      '-y',
      '--root=/',
      'a',
      './x.deb',
      'git/sid',
    ]) {
      refused({ image: 'a', packages: `curl,${one}` }, `--packages ${one}`, 'Debian package');
    }
    refused({ image: 'a', packages: ' ,' }, '--packages', 'must name packages');
    refused({ image: 'a', packages: `${'x'.repeat(limits.packageNameLength)}y` }, '--packages x');
  });

  it('has a bound of packages', () => {
    const many = (count: number): string => Array.from({ length: count }, (_, at) => `p${at + 10}`).join(',');
    expect(imageOrder({ image: 'a', packages: many(limits.imagePackages) }).packages).toHaveLength(
      limits.imagePackages + rootPackages.length,
    );
    refused({ image: 'a', packages: many(limits.imagePackages + 1) }, '51 packages; at most 50');
  });
});

it('every recipe can be ordered by its name', () => {
  expect([...recipeNames].sort()).toEqual(Object.keys(recipes).sort());
  for (const name of recipeNames) expect(imageOrder({ image: name }).recipe).toBe(name);
});
