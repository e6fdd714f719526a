/** Of the older looks so much counts besides the newest: one look at few sessions says little. */
const KEPT = 0.6;

/** The share of the sessions at work that wait for the disk, over some looks. */
export class IoWaits {
  private waiting = 0;
  private active = 0;

  see(waiting: number, active: number): number {
    this.waiting = this.waiting * KEPT + waiting;
    this.active = this.active * KEPT + active;
    return this.active === 0 ? 0 : this.waiting / this.active;
  }
}
