import pg from 'pg';

/**
 * A connection of which nobody has to hear that it broke: whatever it is asked then says so. `pg` tells it by an `error` event besides,
 * which ends the process where nobody listens; and a pool that hands a connection out stops to listen before the other one can begin.
 * A server that goes down as it lets somebody in breaks connections in just that moment. For `Client` of a pool's options.
 */
export class SteadyClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}
