/** What the commands are given from outside: streams, time, the SDK, and what only main can wire. */
import type { Readable } from 'node:stream';
import type { BlixardClient } from '../client/index.ts';
import type { VmSize } from '../domain/vm-size.ts';
import type { Clock } from '../platform/clock.ts';
import type { Terminal } from './terminal.ts';

/** Flags of the configuration by their name without dashes, as far as they were given. */
export type Flags = Readonly<Record<string, string | undefined>>;

/** A flag that sets a configuration key. */
export interface ConfigFlag {
  readonly name: string;
  readonly placeholder: string;
  readonly about: string;
}

/** The groups of commands that share configuration flags. */
export type FlagGroup =
  | 'client'
  | 'up'
  | 'server'
  | 'worker'
  | 'image'
  | 'warm'
  | 'doctor'
  | 'verify'
  | 'all';

/** One line of `blixard doctor`. */
export interface Finding {
  readonly check: string;
  readonly result: 'ok' | 'warn' | 'fail';
  readonly text: string;
  /** How to mend it; null when nothing is wrong. */
  readonly mend: string | null;
}

/** Files beside a data directory that `blixard verify` holds it to. */
export interface VerifyFiles {
  /** Lines `jobId attempt`, appended by the commands of jobs: their side effects. */
  readonly effects?: string;
  /** Lines of one job id each: submits that were answered. */
  readonly accepted?: string;
}

/** What became of one invariant in `blixard verify`. */
export interface VerifyLine {
  readonly invariant: string;
  readonly text: string;
  readonly result: 'ok' | 'violated' | 'unchecked';
  readonly rules: number;
  readonly looked: Readonly<Record<string, number>>;
  readonly violations: readonly {
    readonly rule: string;
    readonly count: number;
    /** There are more than were counted. */
    readonly more: boolean;
    readonly rows: readonly string[];
  }[];
}

/** One line of `blixard config`. */
export interface ConfigLine {
  readonly key: string;
  readonly value: string;
  readonly source: string;
  readonly about: string;
}

/** An image on this host. */
export interface ImageLine {
  readonly name: string;
  readonly tag: string;
  readonly digest: string;
  readonly bytes: number;
  readonly builtAtMs: number;
}

/** All that is known of an image on this host. */
export interface ImageFacts extends ImageLine {
  readonly kernelPath: string;
  readonly initrdPath: string;
  readonly rootPath: string;
  readonly rootFsType: string;
  /** How it was made: recipe, packages, … */
  readonly labels: Readonly<Record<string, string>>;
}

/** All images of a host. */
export interface ImageFolder {
  /** Where they are. */
  readonly dir: string;
  readonly images: readonly ImageLine[];
}

/** What a removal of images, or of what no image needs, has freed. */
export interface ImageGarbage {
  readonly blobs: number;
  readonly packages: number;
  readonly bytes: number;
}

/** An image to be built, in a user's words. */
export interface ImageWish {
  /** `name` or `name:tag`. */
  readonly image: string;
  readonly recipe?: string;
  /** Debian packages, separated by commas. */
  readonly packages?: string;
}

/** The VMs a template is for. */
export interface TemplateWish extends VmSize {
  /** For its jobs of isolation `maximum` alone. */
  readonly tenant?: string;
}

/** A template of an image: what VMs are started from. */
export interface TemplateLine {
  readonly image: string;
  readonly key: string;
  /** On disk. */
  readonly bytes: number;
}

/** Work that needs more than the SDK; main wires it. Processes resolve with their exit code when they have ended. */
export interface HostCommands {
  up(flags: Flags): Promise<number>;
  server(flags: Flags): Promise<number>;
  worker(flags: Flags): Promise<number>;
  doctor(flags: Flags): Promise<readonly Finding[]>;
  /** Changes nothing, and may run while a server does. */
  verify(flags: Flags, files: VerifyFiles): Promise<readonly VerifyLine[]>;
  config(flags: Flags): Promise<readonly ConfigLine[]>;
  listImages(flags: Flags, onDamaged: (problem: string) => void): Promise<ImageFolder>;
  /** Rejects with USAGE, IMAGE_MISSING, IMAGE_INVALID. */
  getImage(flags: Flags, name: string): Promise<ImageFacts>;
  /** Once no build runs. Rejects with USAGE before anything is removed, with IMAGE_MISSING at the first such one. */
  removeImages(
    flags: Flags,
    names: readonly string[],
    step: (title: string) => void,
  ): Promise<readonly (ImageGarbage & { readonly image: string })[]>;
  /** Once no build runs; `packageBytes` of downloaded packages stay. */
  collectImageGarbage(
    flags: Flags,
    packageBytes: number,
    step: (title: string) => void,
  ): Promise<ImageGarbage>;
  /** Rejects with USAGE for what cannot be built, with IMAGE_BUILD_FAILED. */
  buildImage(flags: Flags, wish: ImageWish, step: (title: string) => void): Promise<ImageLine>;
  /**
   * Builds what VMs of this size are started from, or has the worker of this host do so. Rejects with USAGE,
   * IMAGE_MISSING, TEMPLATE_FAILED.
   */
  warmImage(
    flags: Flags,
    name: string,
    wish: TemplateWish,
    step: (title: string) => void,
  ): Promise<TemplateLine>;
}

/** What tells a command to end: Ctrl-C, or the signal of a supervisor. */
export type Interrupt = 'SIGINT' | 'SIGTERM';

/** Everything outside the CLI that a command may use. */
export interface CliContext {
  readonly version: string;
  /** Who calls, for example user@host; at most `limits.actorLength` characters. */
  readonly actor: string;
  readonly terminal: Terminal;
  readonly stdin: Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly host: HostCommands;
  configFlags(group: FlagGroup): readonly ConfigFlag[];
  /** A client of the control node that flags and configuration name; the caller closes it. */
  connect(flags: Flags): Promise<BlixardClient>;
  /** Calls `listener` for Ctrl-C and SIGTERM until the returned function is called. */
  onInterrupt(listener: (signal: Interrupt) => void): () => void;
}
