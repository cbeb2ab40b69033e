/** The key of a template: a digest of all that a saved guest depends on. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { guestProtocolVersion } from '../contract/guest.ts';
import type { Hypervisor, TemplateSpec } from '../hypervisor/hypervisor.ts';

/** Raise it when the way templates are made changes. */
const formatVersion = 2;

/** The processor and the kernel that VMs run on: a template of another one is not to be trusted here. */
export async function describeHost(): Promise<string> {
  const cpuinfo = await readFile('/proc/cpuinfo', 'utf8');
  const of = (name: string): string => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(cpuinfo)?.[1] ?? '';
  return [of('model name'), of('flags'), of('microcode'), release()].join('\n');
}

/** Equal for two orders only where a template of one starts the other. */
export async function templateKey(deps: {
  readonly hypervisor: Hypervisor;
  readonly host: string;
  readonly imageDigest: string;
  readonly spec: TemplateSpec;
  /** See `digestOfZygotes`. */
  readonly zygotes: string;
  /** Whose alone the template is; undefined: everybody's but theirs. */
  readonly tenant: string | undefined;
}): Promise<string> {
  const { hypervisor, host, imageDigest, spec, zygotes, tenant } = deps;
  const fingerprint = await hypervisor.fingerprint(spec);
  const parts = [
    formatVersion,
    guestProtocolVersion,
    fingerprint,
    imageDigest,
    spec,
    host,
    zygotes,
    ...(tenant === undefined ? [] : [tenant]),
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
