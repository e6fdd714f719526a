import 'reflect-metadata';
import { runInForeground } from '@rahat/installation';
import { loadConfig } from '@rahat/service-kit';
import { standaloneConfig, type StandaloneConfig } from './config.js';
import { showBanner } from './console/banner.js';
import { startPlatform } from './platform.js';

let config: StandaloneConfig;

await runInForeground(
  async () => {
    config = loadConfig(standaloneConfig, process.env);
    return startPlatform(config, process.env);
  },
  (out, platform) => showBanner(out, platform, config, process.uptime()),
);
