/** Kernel clock ticks in a second (USER_HZ, the same on every Linux). */
export const CLOCK_TICKS = 100;
