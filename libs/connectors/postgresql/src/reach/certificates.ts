import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  certificate: string;
  key: string;
}

/** For specs: an authority that lives as long as the folder, and signs whom the test names. */
export class TestAuthority implements Disposable {
  private readonly folder = mkdtempSync(join(tmpdir(), 'rahat-ca-'));
  readonly certificate: string;

  constructor() {
    this.openssl('req', '-x509', ...this.fresh('ca'), '-days', '2', '-subj', '/CN=Rahat test authority', '-out', 'ca.crt');
    this.certificate = this.read('ca.crt');
  }

  issue(name: string): Certificate {
    this.openssl('req', ...this.fresh(name), '-subj', `/CN=${name}`, '-out', `${name}.csr`);
    writeFileSync(join(this.folder, 'names'), `subjectAltName=DNS:${name}\n`);
    const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names'];
    this.openssl('x509', '-req', '-in', `${name}.csr`, ...signing, '-out', `${name}.crt`);
    return { certificate: this.read(`${name}.crt`), key: this.read(`${name}.key`) };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private fresh(name: string): string[] {
    return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`];
  }

  private openssl(...args: string[]): void {
    execFileSync('/usr/bin/openssl', args, { cwd: this.folder, stdio: 'pipe' });
  }

  private read(name: string): string {
    return readFileSync(join(this.folder, name), 'utf8');
  }
}
