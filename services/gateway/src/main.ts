import 'reflect-metadata';
import { InternalClient, ServiceAddresses } from '@rahat/service-kit';
import { runStatelessService } from '@rahat/service-kit/process';
import { gatewayConfig } from './config.js';
import { MergedApi } from './forwarding/merged-api.js';
import { GatewayModule } from './gateway.module.js';
import { openSharedState, sharedConfig } from './shared/open-shared-state.js';

/** Calls of a service that is just being restarted wait this long. */
const PATIENCE_MS = 10_000;

await runStatelessService({
  service: 'gateway',
  main: import.meta.url,
  config: gatewayConfig.extend({
    ...sharedConfig.shape,
    RAHAT_AUTH_URL: ServiceAddresses,
    RAHAT_SCHEDULER_URL: ServiceAddresses,
    RAHAT_STORAGE_URL: ServiceAddresses,
    RAHAT_AUDIT_URL: ServiceAddresses,
  }),
  module: async (runtime, config) =>
    GatewayModule.register({
      runtime,
      config,
      internal: new InternalClient(runtime, config, { patienceMs: PATIENCE_MS }),
      services: config,
      shared: await openSharedState(config),
    }),
  application: (config, version) => ({ bodies: 'left', openApi: new MergedApi(config, { title: 'Rahat Backup', version }).document }),
});
