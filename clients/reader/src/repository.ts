import { tryKeyslots } from './keyslots.js';
import { DESCRIPTOR_NAME, type Descriptor, parseDescriptor } from './format/descriptor.js';
import { deriveRecipientKey } from './format/hpke.js';
import { Fields } from './format/json-fields.js';
import type { Secrets } from './format/keyslot.js';
import { type Manifest, parseManifest } from './format/manifest.js';
import type { PackKeys } from './format/pack.js';
import { type MetadataKey, openSealed, SEALED } from './format/sealed-file.js';
import { hkdf } from './format/sealing.js';
import { damaged, messageOf, ReaderError } from './reader-error.js';
import { Folder, type StoredFile } from './storage/folder.js';

const SNAPSHOT_ID = /^[a-z0-9][a-z0-9._-]{0,149}$/;
const STREAM = /^[a-z0-9][a-z0-9._-]{0,49}$/;
const LOG_NAME = /^[0-9a-f-]{1,64}_[0-9a-f-]{1,64}$/;
const PACK_ID = /^[0-9a-f]{64}$/;

export interface ManifestFile extends StoredFile {
  /** Of a log its file's name as long as it isn't in the trash: only it has slashes. */
  id: string;
  /** Retention took it away; it is there until the trash is emptied. */
  inTrash: boolean;
}

/** A repository opened by its passphrase or by a printed key. Nothing here or below it writes to the storage. */
export class Repository {
  readonly packKeys: PackKeys;
  readonly chunkIdKey: Buffer;
  readonly recipeChunkIdKey: Buffer;

  private constructor(
    readonly folder: Folder,
    readonly descriptor: Descriptor,
    secrets: Secrets,
  ) {
    const derive = (secret: Buffer, info: string) => hkdf(secret, Buffer.alloc(0), info);
    const metadata: MetadataKey = { key: derive(secrets.masterKey, 'rahat/1/metadata'), repositoryId: descriptor.repositoryId };
    this.packKeys = { metadata, recipient: deriveRecipientKey(secrets.masterKey) };
    this.chunkIdKey = derive(secrets.identitySecret, 'rahat/1/chunk-id');
    this.recipeChunkIdKey = derive(secrets.identitySecret, 'rahat/1/recipe-chunk-id');
  }

  /** `askKeys` is called only when there is a repository to open. */
  static async open(path: string, askKeys: () => Promise<string[]>): Promise<Repository> {
    const folder = new Folder(path);
    if ((await folder.list('', /^rahat\.json$/)).length === 0)
      throw new ReaderError('notFound', `${path} is no repository: it has no ${DESCRIPTOR_NAME}`);
    const descriptor = parseDescriptor(await folder.read(DESCRIPTOR_NAME));
    const secrets = await tryKeyslots(folder, descriptor.repositoryId, await askKeys());
    const repository = new Repository(folder, descriptor, secrets);
    await repository.#compareConfiguration();
    return repository;
  }

  /** Of snapshots, then of logs. */
  async manifestFiles(): Promise<ManifestFile[]> {
    const under = async (root: string, names: RegExp, idAt: number) =>
      (await this.folder.list(root, names)).map((file) => ({ ...file, id: file.name.slice(idAt), inTrash: root.startsWith('trash/') }));
    const files = [...(await under('snapshots/', SNAPSHOT_ID, 10)), ...(await under('trash/', SNAPSHOT_ID, 6))];
    for (const root of ['logs/', 'trash/logs/'])
      for (const stream of await this.folder.folders(root, STREAM))
        files.push(...(await under(`${root}${stream}/`, LOG_NAME, root.length - 'logs/'.length)));
    return files;
  }

  async manifest(file: ManifestFile): Promise<Manifest> {
    const [type, sealedBy] = file.id.includes('/')
      ? ([SEALED.log, file.id] as const)
      : ([SEALED.manifest, `snapshots/${file.id}`] as const);
    const payload = openSealed(await this.folder.read(file.name), type, sealedBy, this.packKeys.metadata, file.name);
    try {
      return parseManifest(payload, file.id, this.descriptor.repositoryId);
    } catch (cause) {
      throw damaged(file.name, messageOf(cause), cause);
    }
  }

  /** By id, unique beginning of an id, or `latest`: the newest that can be read and isn't in the trash. */
  async findSnapshot(wanted: string): Promise<Manifest> {
    const files = await this.manifestFiles();
    if (wanted === 'latest') return this.#latest(files.filter(({ id, inTrash }) => !inTrash && !id.includes('/')));
    const exact = files.filter(({ id }) => id === wanted);
    const found = exact.length > 0 ? exact.slice(0, 1) : files.filter(({ id }) => id.startsWith(wanted));
    const [file] = found;
    if (!file) throw new ReaderError('notFound', `There is no snapshot ${wanted}`);
    if (found.length > 1) throw new ReaderError('usage', `${wanted} fits several snapshots: ${found.map(({ id }) => id).join(', ')}`);
    return this.manifest(file);
  }

  async packFiles(): Promise<StoredFile[]> {
    const packs: StoredFile[] = [];
    for (let prefix = 0; prefix < 256; prefix++)
      packs.push(...(await this.folder.list(`packs/${prefix.toString(16).padStart(2, '0')}/`, PACK_ID)));
    return packs;
  }

  async #latest(files: ManifestFile[]): Promise<Manifest> {
    const manifests: Manifest[] = [];
    for (const file of files) manifests.push(await this.manifest(file));
    const newest = manifests.reduce<Manifest | undefined>((best, one) => (!best || one.createdAt > best.createdAt ? one : best), undefined);
    if (!newest) throw new ReaderError('notFound', 'The repository has no snapshot');
    return newest;
  }

  async #compareConfiguration(): Promise<void> {
    const payload = openSealed(await this.folder.read('config'), SEALED.config, 'config', this.packKeys.metadata);
    const fields = Fields.parse(payload.toString('utf8'));
    if (fields.text('descriptor') !== this.descriptor.text)
      throw damaged(DESCRIPTOR_NAME, 'it differs from the sealed copy in config: someone changed it');
    if (!fields.base64('packPublicKey', 32).equals(this.packKeys.recipient.publicKey))
      throw damaged('config', 'its public key is not that of the master key');
  }
}
