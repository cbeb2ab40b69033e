/** What jobs tell, on the wire: progress, result, artifacts; and what of other jobs they ask for. */
import { artifactNamePattern } from '../domain/artifact-name.ts';
import { uuidPattern } from '../domain/ids.ts';
import { limits } from '../domain/limits.ts';
import { absolutePathPattern, nullable, strict, textPattern, timeMs, wholeNumber } from './schema.ts';
import { type Static, Type } from './typebox.ts';

export const sha256Pattern = '^[0-9a-f]{64}$';

/** Names inside of a guest that commands find in their environment. */
export const tellEnv = {
  result: 'BLIXARD_RESULT',
  progress: 'BLIXARD_PROGRESS',
  artifacts: 'BLIXARD_ARTIFACTS',
  inputs: 'BLIXARD_INPUTS',
} as const;

/** All may be left out, and what is left out is not in the spec. */
export const tellOptions = {
  artifacts: Type.Optional(
    Type.Array(Type.String({ pattern: absolutePathPattern, maxLength: limits.pathLength }), {
      maxItems: limits.artifactPathsMax,
      description: 'files and folders in the guest to keep as artifacts, beside those in BLIXARD_ARTIFACTS',
    }),
  ),
  inputs: Type.Optional(
    Type.Array(Type.String({ pattern: uuidPattern }), {
      maxItems: limits.inputsMax,
      description: 'jobs it runs after; their results and artifacts are put into BLIXARD_INPUTS/<job id>',
    }),
  ),
};

const TellOptions = Type.Object(tellOptions);

/** The options that were given. */
export function tellOptionsOf({ artifacts, inputs }: Static<typeof TellOptions>): Static<typeof TellOptions> {
  return {
    ...(artifacts === undefined ? {} : { artifacts }),
    ...(inputs === undefined ? {} : { inputs }),
  };
}

const percent = Type.Integer({ minimum: 0, maximum: 100 });
const message = Type.String({ pattern: textPattern, maxLength: limits.progressMessageLength });

export const Progress = strict({
  percent: nullable(percent),
  message,
  atMs: timeMs,
});
export type Progress = Static<typeof Progress>;

const generation = wholeNumber(1);
const WorkerId = Type.String({ pattern: uuidPattern });

export const TellProgress = strict({ workerId: WorkerId, generation, percent: nullable(percent), message });
export type TellProgress = Static<typeof TellProgress>;

export const ArtifactName = Type.String({
  pattern: artifactNamePattern,
  maxLength: limits.artifactNameBytes,
  description: 'may have slashes, escaped as %2F in a path',
});

export const Sha256 = Type.String({ pattern: sha256Pattern });

export const Artifact = strict({
  name: ArtifactName,
  size: wholeNumber(0),
  sha256: Sha256,
});
export type Artifact = Static<typeof Artifact>;

export const ArtifactList = strict({
  jobId: Type.String({ pattern: uuidPattern }),
  attempt: wholeNumber(0, { description: 'whose artifacts these are; 0 before the first' }),
  ended: Type.Boolean({
    description: 'the attempt, or the job before its first, has ended; before, none are shown',
  }),
  artifacts: Type.Array(Artifact),
});
export type ArtifactList = Static<typeof ArtifactList>;

/** Who writes a part of an artifact, and where it belongs; with the last one its whole is checked and kept. */
export const ArtifactPart = strict({
  workerId: WorkerId,
  generation,
  name: ArtifactName,
  offset: wholeNumber(0),
  sha256: Type.Optional(
    Type.String({ pattern: sha256Pattern, description: 'with the last part: of the whole artifact' }),
  ),
});
export type ArtifactPart = Static<typeof ArtifactPart>;

/** Headers of a range of an artifact, beside those of HTTP. */
export const artifactHeaders = { attempt: 'blixard-attempt' } as const;
