import path from 'node:path';
import type { Runtime } from '@rahat/installation';
import { ManagedProcess } from './managed-process.js';
import type { ProcessPlan } from './process-plans.js';

type ProcessStates = NonNullable<Runtime['processes']>;

/** Workers hand back what they hold while everyone who hears of it still listens; what keeps data goes last. */
const STOPPING_ORDER = [['backup-worker'], ['gateway'], ['scheduler'], ['auth', 'storage', 'audit']];

/** All processes of the cluster. */
export class Supervisor {
  private readonly processes: ManagedProcess[];

  constructor(
    plans: readonly ProcessPlan[],
    logs: string,
    report: (words: string) => void,
    private readonly onChange: (processes: ProcessStates) => void,
  ) {
    const observer = { died: (name: string, words: string) => report(`${name} ${words}`), changed: () => this.tellAll() };
    this.processes = plans.map((plan) => new ManagedProcess(plan, path.join(logs, `${plan.name}.log`), observer));
  }

  async start(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.start()));
  }

  async restartAll(): Promise<void> {
    for (const process of this.processes) await process.restart();
  }

  async stop(): Promise<void> {
    for (const services of STOPPING_ORDER)
      await Promise.all(this.processes.filter(({ plan }) => services.includes(plan.service)).map((process) => process.stop()));
  }

  tellAll(): void {
    this.onChange(this.processes.map(({ plan, pid }) => ({ name: plan.name, service: plan.service, pid, metricsUrl: plan.metricsUrl })));
  }
}
