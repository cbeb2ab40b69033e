/** Full image names: `base` and `base:latest` are the same image. */

/** The name with its tag; without one it is `latest`. */
export function fullImageName(name: string): string {
  return name.includes(':') ? name : `${name}:latest`;
}
