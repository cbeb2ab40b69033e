/** How far a job is kept apart from others, the most first. */

export const isolations = ['maximum', 'standard', 'shared'] as const;

/**
 * `maximum`: a new VM, of a template that no other tenant's VM was or is started from. `standard`: a new VM. `shared`:
 * a VM that may have served jobs of the same queue and tenant before.
 */
export type Isolation = (typeof isolations)[number];
