/** How far the build of a template is, told to all who wait for it. */

/** Told of each long step before it starts. */
export type TellStep = (title: string) => void;

/** The steps of one build; whoever joins late is told where it is. */
export class BuildSteps {
  readonly #listeners: TellStep[] = [];
  #at: string | undefined;

  /** Tells `listener` from now on. */
  follow(listener: TellStep): void {
    this.#listeners.push(listener);
    if (this.#at !== undefined) listener(this.#at);
  }

  /** The build is at this step now. */
  readonly at: TellStep = (title) => {
    this.#at = title;
    for (const listener of this.#listeners) listener(title);
  };
}
