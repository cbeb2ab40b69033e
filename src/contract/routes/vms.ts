/** The rows of the route table that tell of VMs. */
import { uuidPattern } from '../../domain/ids.ts';
import type { Route } from '../routes.ts';
import { oneOf, pageSize, strict } from '../schema.ts';
import { Type } from '../typebox.ts';
import { Vm, VmPage, VmStats, vmUses } from '../vm.ts';

export const vmRoutes = {
  listVms: {
    method: 'GET',
    path: '/v1/vms',
    summary: 'The VMs of all workers that are online, as each told with its last work call, oldest first.',
    query: strict({
      worker: Type.Optional(Type.String({ pattern: uuidPattern })),
      use: Type.Optional(oneOf(vmUses)),
      limit: pageSize,
      cursor: Type.Optional(
        Type.String({ pattern: uuidPattern, description: 'nextCursor of the page before' }),
      ),
    }),
    status: 200,
    reply: VmPage,
    errors: ['STORE_UNAVAILABLE'],
  },
  getVmStats: {
    method: 'GET',
    path: '/v1/vms/stats',
    summary: 'How many VMs there are, in which state, and how they were started.',
    status: 200,
    reply: VmStats,
    errors: ['STORE_UNAVAILABLE'],
  },
  getVm: {
    method: 'GET',
    path: '/v1/vms/{id}',
    summary: 'One VM.',
    params: strict({
      id: Type.String({ pattern: '^[0-9a-f-]{4,36}$', description: 'VM id or a unique start of one' }),
    }),
    status: 200,
    reply: Vm,
    errors: ['VM_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
} as const satisfies Record<string, Route>;
