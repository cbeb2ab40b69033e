/** Which image is to be built: a user's words turned into name, recipe and packages, or refused. */
import { imagePattern } from '../contract/job.ts';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { everyImage, type Recipe, type RecipeName, recipeNames, recipes } from './recipe.ts';
import type { Tag } from './tags.ts';

/** What a user asks for. */
export interface ImageWish {
  /** `name` or `name:tag`. */
  readonly image: string;
  /** Default: the recipe of the image's own name, else `base`. */
  readonly recipe?: string;
  /** Debian packages beside those of the recipe, separated by commas. */
  readonly packages?: string;
}

/** An image to be built. */
export interface ImageOrder extends Tag {
  readonly recipe: RecipeName;
  /** All Debian packages it is asked to have: those of every image, of the recipe, and the named ones, sorted. */
  readonly packages: readonly string[];
  /** Those that the user named. */
  readonly named: readonly string[];
  readonly hasNode: boolean;
}

const imageName = new RegExp(imagePattern);
/** Debian's own rule; a `-` at the end would ask apt to leave the package out. */
const packageName = /^[a-z0-9][a-z0-9.+-]*[a-z0-9.+]$/;

/** `name` or `name:tag` → name and tag; no tag means `latest`. Throws USAGE. */
export function parseImageName(image: string): Tag {
  if (!imageName.test(image)) {
    throw usage(`the image ${image}: it must be name or name:tag, lower-case letters, digits, . _ and -`);
  }
  const [name = '', tag = 'latest'] = image.split(':');
  return { name, tag };
}

/** Throws USAGE that names the flag, the value and what is allowed. */
export function imageOrder({ image, recipe, packages }: ImageWish): ImageOrder {
  const { name, tag } = parseImageName(image);
  const named = packages === undefined ? [] : packageNames(packages);
  const chosen = recipe ?? (isRecipe(name) ? name : undefined);
  if (chosen === undefined && named.length === 0) {
    const ways = `name packages (--packages git,curl) or a recipe (--recipe ${recipeNames.join('|')})`;
    throw usage(`the image ${image}: there is no recipe of this name; ${ways}`);
  }
  const recipeName = chosen ?? 'base';
  if (!isRecipe(recipeName)) {
    throw usage(`--recipe ${recipeName}: there is no such recipe; there are: ${recipeNames.join(', ')}`);
  }
  const { packages: own, hasNode }: Recipe = recipes[recipeName];
  const all = new Set([...everyImage.rootPackages, ...own, ...named]);
  return { name, tag, recipe: recipeName, packages: [...all].sort(), named, hasNode };
}

function packageNames(list: string): readonly string[] {
  const names = list
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
  if (names.length === 0) throw usage(`--packages ${list}: it must name packages, such as python3,git`);
  if (names.length > limits.imagePackages) {
    throw usage(`--packages: ${names.length} packages; at most ${limits.imagePackages} are allowed`);
  }
  for (const one of names) {
    if (packageName.test(one) && one.length <= limits.packageNameLength) continue;
    throw usage(
      `--packages ${one.slice(0, 80)}: it must be the name of a Debian package: lower-case letters, digits, . + and -`,
    );
  }
  return [...new Set(names)].sort();
}

function isRecipe(name: string): name is RecipeName {
  return Object.hasOwn(recipes, name);
}

function usage(problem: string): BlixardError {
  return new BlixardError('USAGE', { problem });
}
