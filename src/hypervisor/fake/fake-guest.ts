/** What a fake guest has in its memory: a template saves it, and every clone starts with the same. */
import type { GuestIdentity } from '../../contract/guest.ts';
import type { Clock } from '../../platform/clock.ts';
import { seededRandom } from '../../platform/random.ts';

/** The memory as it is saved. */
interface Memory {
  readonly bootId: string;
  readonly hostName: string;
  readonly machineId: string;
  /** State of the guest's source of random bytes. */
  readonly seed: number;
  /** Epoch ms that the guest takes for now. */
  readonly nowMs: number;
  readonly notes: Readonly<Record<string, string>>;
}

/** The state of one fake guest. Its clock stands still while it is paused. */
export class FakeGuest {
  readonly #clock: Clock;
  #memory: Memory;
  /** Monotonic time of the host at which the guest's clock showed `nowMs`; undefined while paused. */
  #since: number | undefined;
  #isTainted = false;
  /** Undefined until it was noted. */
  #notedTaint: boolean | undefined;

  private constructor(clock: Clock, memory: Memory) {
    this.#clock = clock;
    this.#memory = memory;
    this.#since = clock.monotonicMs();
  }

  static booted(clock: Clock, vmId: string): FakeGuest {
    const seed = [...vmId].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);
    const names = { bootId: vmId, hostName: 'blixard', machineId: '' };
    return new FakeGuest(clock, { ...names, seed, nowMs: clock.nowMs(), notes: {} });
  }

  static restored(clock: Clock, saved: string): FakeGuest {
    return new FakeGuest(clock, JSON.parse(saved) as Memory);
  }

  get bootId(): string {
    return this.#memory.bootId;
  }

  get hostName(): string {
    return this.#memory.hostName;
  }

  get machineId(): string {
    return this.#memory.machineId;
  }

  nowMs(): number {
    const runMs = this.#since === undefined ? 0 : this.#clock.monotonicMs() - this.#since;
    return Math.round(this.#memory.nowMs + runMs);
  }

  pause(): void {
    this.#memory = { ...this.#memory, nowMs: this.nowMs() };
    this.#since = undefined;
  }

  resume(): void {
    this.#since ??= this.#clock.monotonicMs();
  }

  save(): string {
    return JSON.stringify({ ...this.#memory, nowMs: this.nowMs() });
  }

  /** Random bytes as hex; what follows is other bytes. */
  random(length: number): string {
    const random = seededRandom(this.#memory.seed);
    this.#memory = { ...this.#memory, seed: (this.#memory.seed + length) >>> 0 };
    return Buffer.from(random.bytes(length)).toString('hex');
  }

  note(name: string, text: string): void {
    this.#memory = { ...this.#memory, notes: { ...this.#memory.notes, [name]: text } };
  }

  /** Sets what only another kernel would undo. */
  taint(): void {
    this.#isTainted = true;
  }

  /** Notes how the kernel is set. */
  noteState(): void {
    this.#notedTaint = this.#isTainted;
  }

  /** Forgets what commands have left; or says why it cannot. */
  reset(): string | undefined {
    if (this.#isTainted !== this.#notedTaint) return 'a setting of the kernel was changed';
    this.#memory = { ...this.#memory, hostName: 'blixard', notes: {} };
    return undefined;
  }

  noted(name: string): string | undefined {
    return this.#memory.notes[name];
  }

  become({ nowMs, entropy, hostName, machineId, bootId }: GuestIdentity): void {
    const seed = Buffer.from(entropy).readUInt32LE(0);
    this.#memory = { ...this.#memory, hostName, machineId, bootId, nowMs, seed };
    this.#since = this.#clock.monotonicMs();
  }
}
