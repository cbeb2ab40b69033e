/** Sizes and times in the units that names end in: bytes and milliseconds. */
export const kib = 1024;
export const mib = 1024 * kib;
export const second = 1_000;
export const minute = 60 * second;
export const hour = 60 * minute;
export const day = 24 * hour;
