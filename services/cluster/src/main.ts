import { runInForeground } from '@rahat/installation';
import { loadConfig } from '@rahat/service-kit';
import { startCluster } from './cluster.js';
import { clusterConfig, type ClusterConfig } from './config.js';
import { showBanner } from './console/banner.js';

let config: ClusterConfig;

await runInForeground(
  async (out) => {
    config = loadConfig(clusterConfig);
    const cluster = await startCluster(config, process.env, (words) => out.attention(words));
    process.on('SIGUSR2', () => {
      out.line('Restarting each process in turn …');
      cluster.restartAll().then(
        () => out.done('all processes were restarted'),
        (error: Error) => out.failed(`the restart did not end: ${error.message}`),
      );
    });
    return cluster;
  },
  (out, cluster) => showBanner(out, cluster, config, process.uptime()),
);
