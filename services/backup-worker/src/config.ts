import { randomBytes } from 'node:crypto';
import { availableParallelism, hostname, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { embeddedToolFolders } from '@rahat/execution';
import { defaultCacheFolder } from '@rahat/repository';
import { z } from 'zod';

/** After a restart a worker is another one, although it may have the same name (and, in a container, the same process id). */
const LIFE = randomBytes(3).toString('hex');

/** The environment of a backup-worker. */
export const workerConfig = z.object({
  /** The pool whose runs this worker takes. */
  RAHAT_WORKER_POOL: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/)
    .default('default')
    .meta({ examples: ['default'] }),
  /** The file with the private half of the pool's key, mode 0600; made when missing. */
  RAHAT_WORKER_POOL_KEY_PATH: z
    .string()
    .startsWith('/', 'an absolute path is needed')
    .meta({ examples: ['/etc/rahat/pool-default.key'] }),
  /** How many runs at once. */
  RAHAT_WORKER_SLOTS: z.coerce.number().int().min(1).max(64).default(Math.min(2, availableParallelism())),
  /** How many log streams it follows beside its runs. */
  RAHAT_WORKER_FOLLOWERS: z.coerce.number().int().min(0).max(256).default(8),
  /** Folders with client tools and server binaries, separated as in PATH; what the product brings along comes after them. */
  RAHAT_TOOL_FOLDERS: z
    .string()
    .default('')
    .transform((text) => [...text.split(delimiter).filter((folder) => folder !== ''), ...embeddedToolFolders()]),
  /** Short-lived files of running attempts. */
  RAHAT_WORKER_SCRATCH: z.string().startsWith('/', 'an absolute path is needed').default(join(tmpdir(), 'rahat-worker')),
  /** Indexes of repositories, kept between runs; may be emptied at any time. */
  RAHAT_WORKER_CACHE: z.string().startsWith('/', 'an absolute path is needed').default(defaultCacheFolder()),
  /** What runs show; some random digits are added. */
  RAHAT_WORKER_NAME: z
    .string()
    .min(1)
    .max(100)
    .default(`${hostname()}/${process.pid}`)
    .transform((name) => `${name}/${LIFE}`),
  /** How long running attempts may go on after a stop was asked for. */
  RAHAT_WORKER_DRAIN_SECONDS: z.coerce.number().int().min(0).max(86_400).default(20),
  /** The only folder whose scripts plans may run as hooks; without it they run none. */
  RAHAT_WORKER_HOOKS_DIR: z.string().startsWith('/', 'an absolute path is needed').optional(),
  /** Hosts, addresses and networks that hooks may call although they are not public, separated by commas. */
  RAHAT_OUTGOING_ALLOW: z
    .string()
    .default('')
    .transform((text) => text.split(',').flatMap((entry) => entry.trim() || []))
    .meta({ examples: ['10.1.0.0/16,hooks.internal'] }),
  /** In place of Amazon's own address for questions about RDS, e.g. of a gateway; nobody else may say one. */
  RAHAT_WORKER_RDS_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({ examples: ['https://rds.gateway.internal'] }),
  /** How long a paused run may keep its source waiting; then the attempt ends, and the next one begins when the run is resumed. */
  RAHAT_WORKER_LONGEST_PAUSE_MINUTES: z.coerce.number().min(0.01).max(1440).default(10),
  /** Cap of a run's JavaScript heap; buffers of the data in flight come on top. */
  RAHAT_WORKER_HEAP_MB: z.coerce.number().int().min(64).max(8192).default(192),
});
export type WorkerConfig = z.infer<typeof workerConfig>;
