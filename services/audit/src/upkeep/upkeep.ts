import { Logger } from '@nestjs/common';
import { Pulse } from '@rahat/service-kit';
import type { Heads } from '../heads/heads.js';
import type { Retention } from '../retention/retention.js';

const LONGEST_PAUSE_MS = 60_000;

/** Signs what has stood long enough and drops what is too old, again and again; replicas may do so at once. */
export class Upkeep {
  private readonly log = new Logger('audit');
  private readonly pulse: Pulse;

  constructor(
    private readonly heads: Heads,
    private readonly retention: Retention,
    private readonly headMinutes: number,
  ) {
    this.pulse = new Pulse(() => this.lookAfterTrails(), Math.min(LONGEST_PAUSE_MS, headMinutes * 60_000));
  }

  onApplicationBootstrap(): void {
    this.pulse.hurry();
  }

  onApplicationShutdown(): Promise<void> {
    return this.pulse.stop();
  }

  async once(): Promise<void> {
    await this.heads.signWhatStands(this.headMinutes);
    await this.retention.dropWhatIsOld();
  }

  private async lookAfterTrails(): Promise<void> {
    try {
      await this.once();
    } catch (error) {
      this.log.warn(`The trail was not looked after: ${(error as Error).message}`);
    }
  }
}
