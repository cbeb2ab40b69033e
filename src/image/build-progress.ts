/** Who is told how far a change of the images is. */

/** Told of each long step before it starts. */
export interface BuildProgress {
  step(title: string): void;
}
