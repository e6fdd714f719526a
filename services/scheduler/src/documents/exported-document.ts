import { DOCUMENT_API_VERSION, type DocumentKind } from '@rahat/contracts';
import type { ComparedDocument } from './document-changes.js';
import { serverSecret } from './server-secret.js';

/** A document that can be applied again; secrets are references that whoever applies it has to fill. */
export function exportedDocument({ kind, name, spec }: ComparedDocument): Record<string, unknown> {
  return {
    apiVersion: DOCUMENT_API_VERSION,
    kind,
    metadata: { name },
    spec: { ...spec, ...secretOf(kind, name, spec), ...hooksOf(name, spec) },
  };
}

function secretOf(kind: DocumentKind, name: string, spec: Record<string, unknown>): Record<string, unknown> {
  if (kind === 'Server') {
    const secret = serverSecret(spec);
    return secret === undefined ? {} : { [secret]: reference(name, secret === 'password' ? 'PASSWORD' : 'SECRET_KEY') };
  }
  if (kind === 'Repository') return { passphrase: reference(name, 'PASSPHRASE') };
  const settings = spec['settings'] as { credentials?: { source: string } } | undefined;
  return kind === 'Storage' && settings?.credentials?.source === 'access-key' ? { secretAccessKey: reference(name, 'SECRET_KEY') } : {};
}

function hooksOf(plan: string, spec: Record<string, unknown>): Record<string, unknown> {
  const hooks = spec['hooks'] as { name: string; authorizationSet?: boolean }[] | undefined;
  if (!hooks) return {};
  return {
    hooks: hooks.map(({ authorizationSet, ...hook }) =>
      authorizationSet ? { ...hook, authorization: reference(`${plan} ${hook.name}`, 'AUTHORIZATION') } : hook,
    ),
  };
}

function reference(name: string, suffix: string): object {
  const words = name
    .normalize('NFKD')
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '')
    .toUpperCase();
  return { secretRef: { env: `RAHAT_${words === '' ? 'SECRET' : words}_${suffix}` } };
}
