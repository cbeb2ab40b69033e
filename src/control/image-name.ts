/** Full image names: `base` and `base:latest` are the same image. */

export function fullImageName(name: string): string {
  return name.includes(':') ? name : `${name}:latest`;
}
