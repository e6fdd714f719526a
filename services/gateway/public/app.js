// The whole page: one of three views, fed by the same HTTP API that everybody else uses.
// The session lives in an HttpOnly cookie; no token is ever kept or read here.

const REFRESH_MS = 10_000;
const VIEWS = ['set-up', 'log-in', 'second-factor', 'device', 'overview'];
const STATES = {
  proven: ['good', '✓ Proven restorable'],
  stored: ['warn', '● Stored, not proven yet'],
  overdue: ['bad', '! Overdue'],
  failing: ['bad', '✕ Failing'],
  never: ['bad', '! Never backed up'],
  unprotected: ['bad', '! No plan covers it'],
};
const PROOFS = { stored: 'Stored', BASIC: 'Re-read', DATABASE: 'Decoded', FULL: '✓ Restored and compared', damaged: '✕ Damaged' };

const byId = (id) => document.getElementById(id);
let refreshTimer;

class Problem extends Error {
  constructor(problem, status) {
    super([problem.detail ?? problem.title ?? `The server answered ${status}.`, problem.hint].filter(Boolean).join(' '));
    this.status = status;
    this.code = problem.code;
  }
}

async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: { accept: 'application/json', 'x-rahat-csrf': '1', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = response.status === 204 ? undefined : await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(answer, response.status);
  return answer;
}

function show(view) {
  for (const id of VIEWS) byId(id).hidden = id !== view;
  byId('log-out').hidden = view !== 'overview' && view !== 'device';
  if (view !== 'overview') clearInterval(refreshTimer);
}

function tell(message) {
  byId('trouble').textContent = message ?? '';
  byId('trouble').hidden = !message;
}

/** `children` are nodes or texts; text is never parsed as HTML. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  Object.assign(made, attributes);
  made.append(...children);
  return made;
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
function ago(iso) {
  if (!iso) return '–';
  const seconds = (Date.parse(iso) - Date.now()) / 1000;
  for (const [unit, size] of [
    ['day', 86_400],
    ['hour', 3_600],
    ['minute', 60],
  ]) {
    if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  }
  return seconds < 0 ? 'just now' : 'in under a minute';
}
function when(iso) {
  return element('time', { dateTime: iso ?? '', title: iso ? new Date(iso).toLocaleString() : '' }, ago(iso));
}
function bytes(count) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${new Intl.NumberFormat('en', { maximumFractionDigits: 1 }).format(count / 1000 ** power)} ${units[power]}`;
}

function databaseCard(database) {
  const [mood, words] = STATES[database.state] ?? ['warn', database.state];
  const facts = element('dl', {});
  const fact = (name, value) => facts.append(element('dt', {}, name), element('dd', {}, value));
  fact('Last backup', when(database.lastBackupAt));
  fact('Last proven', when(database.lastProvenAt));
  fact('Next run', when(database.nextRunAt));
  fact('Backups', String(database.backups));
  // A plan of the physical method covers a server and no single database.
  const [title, place] = database.database ? [database.databaseName, database.serverName] : [database.serverName, 'whole server'];
  const card = element(
    'li',
    { className: mood },
    element('h3', {}, title),
    element('p', { className: 'hint' }, `${place}${database.planName ? ` · ${database.planName}` : ''}`),
    element('span', { className: 'state' }, words),
    facts,
  );
  if (database.lastError)
    card.append(element('p', { className: 'hint' }, [database.lastError.message, database.lastError.hint].filter(Boolean).join(' ')));
  return card;
}

function backupRow(backup) {
  const cells = [
    backup.databaseName ? `${backup.databaseName} · ${backup.serverName}` : `${backup.serverName} · whole server`,
    when(backup.consistentAt),
    (backup.state === 'partial' ? 'Partial · ' : '') + (PROOFS[backup.proof] ?? backup.proof),
    backup.databaseName ? new Intl.NumberFormat('en').format(backup.rows) : '–',
    bytes(backup.sizeBytes),
    bytes(backup.addedBytes),
  ];
  return element('tr', {}, ...cells.map((cell) => element('td', {}, cell)));
}

async function refresh() {
  try {
    const [status, backups] = await Promise.all([call('GET', '/api/v2/status'), call('GET', '/api/v2/backups?limit=10')]);
    tell();
    byId('verdict').className = `verdict ${status.healthy ? 'good' : 'bad'}`;
    byId('sentence').textContent = status.sentence;
    byId('as-of').textContent = `As of ${new Date(status.at).toLocaleTimeString()}`;
    document.title = `${status.healthy ? '✓' : '!'} Rahat Backup`;
    byId('databases').replaceChildren(
      ...(status.databases.length > 0
        ? status.databases.map(databaseCard)
        : [element('li', {}, 'No database yet. Add a server with the command line below.')]),
    );
    byId('backups').replaceChildren(
      ...(backups.data.length > 0 ? backups.data.map(backupRow) : [element('tr', {}, element('td', { colSpan: 6 }, 'No backup yet.'))]),
    );
  } catch (error) {
    if (error.status === 401) return start();
    tell(error instanceof Problem ? error.message : 'Rahat Backup cannot be reached at the moment. This page tries again by itself.');
  }
}

function openOverview() {
  show('overview');
  byId('cli').textContent = [
    `npx rahat-backup login --url ${location.origin}`,
    'npx rahat-backup                  # what is protected, and proven when',
    'npx rahat-backup server add postgresql://user@host:5432/postgres --name shop-db',
    'npx rahat-backup storage add /var/backups/rahat --name nas',
    'npx rahat-backup plan create --name nightly --server shop-db --repository nas --cron "0 3 * * *"',
    'npx rahat-backup backup create nightly --follow',
    'npx rahat-backup backup list',
    'npx rahat-backup restore plan latest',
  ].join('\n');
  byId('curl').textContent = `curl -H "Authorization: Bearer $RAHAT_TOKEN" \\\n  ${location.origin}/api/v2/status`;
  clearInterval(refreshTimer);
  refreshTimer = setInterval(refresh, REFRESH_MS);
  return refresh();
}

function onSubmit(form, work) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = form.querySelector('button');
    button.disabled = true;
    tell();
    try {
      await work(Object.fromEntries(new FormData(form)));
      form.reset();
    } catch (error) {
      tell(error.message);
    } finally {
      button.disabled = false;
    }
  });
}

onSubmit(byId('set-up').querySelector('form'), async (fields) => {
  await call('POST', '/api/v2/setup', fields);
  await openOverview();
});
onSubmit(byId('log-in').querySelector('form'), async (fields) => {
  const answer = await call('POST', '/api/v2/sessions', fields);
  if (answer.challenge) return askSecondFactor(answer.challenge);
  await enter();
});

// Of a log-in whose second factor is due.
let challenge;
function askSecondFactor(waiting) {
  challenge = waiting;
  show('second-factor');
  byId('second-factor').querySelector('input').focus();
}
onSubmit(byId('second-factor').querySelector('form'), async ({ typed }) => {
  const digits = typed.replaceAll(' ', '');
  const proof = /^\d{6}$/.test(digits) ? { code: digits } : { recoveryCode: typed };
  try {
    await call('POST', '/api/v2/sessions/second-factor', { challenge, proof });
  } catch (error) {
    if (error.code === 'challenge_ended') show('log-in');
    throw error;
  }
  await enter();
});

// A device that waits to be let in brought us here; remembered while somebody logs in.
let device = location.pathname === '/device' ? { code: new URLSearchParams(location.search).get('code') ?? '' } : undefined;
function openDevice() {
  show('device');
  byId('device').querySelector('input').value = device.code;
}
onSubmit(byId('device').querySelector('form'), async ({ userCode }) => {
  byId('asking').hidden = true;
  const asking = await call('GET', `/api/v2/device-logins/${encodeURIComponent(userCode.trim())}`);
  device = { code: userCode.trim() };
  const facts = [
    ['Code', asking.userCode.toUpperCase()],
    ['What', asking.client],
    ['From address', asking.address],
    ['Asked', when(asking.askedAt)],
  ];
  byId('asking')
    .querySelector('dl')
    .replaceChildren(...facts.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
  byId('asking').hidden = false;
});
for (const [decision, words] of [
  ['approve', 'The device is let in. You can close this page.'],
  ['deny', 'The device stays out.'],
]) {
  byId(decision).addEventListener('click', async () => {
    tell();
    try {
      await call('POST', `/api/v2/device-logins/${decision}`, { userCode: device.code });
      byId('asking').hidden = true;
      byId('device').querySelector('form').hidden = true;
      byId('decided').textContent = words;
      byId('decided').hidden = false;
    } catch (error) {
      tell(error.message);
    }
  });
}

/** After a log-in: to where the browser was meant to go. */
const enter = () => (device ? openDevice() : openOverview());
onSubmit(byId('make-key'), async (fields) => {
  const readOnly = ['organization:read', 'server:read', 'plan:read', 'run:read', 'backup:read', 'storage:read'];
  const key = await call('POST', '/api/v2/api-keys', { name: fields.name, scopes: fields.readOnly ? readOnly : ['*'] });
  byId('new-key').querySelector('code').textContent = key.secret;
  byId('new-key').hidden = false;
});
byId('log-out').addEventListener('click', async () => {
  await call('DELETE', '/api/v2/sessions/current').catch(() => undefined);
  byId('new-key').querySelector('code').textContent = '';
  byId('new-key').hidden = true;
  await start();
});

async function start() {
  const token = new URLSearchParams(location.search).get('token');
  // Of a log-in at an identity provider, behind the #.
  const waiting = new URLSearchParams(location.hash.slice(1)).get('challenge');
  // The one-time token must not stay in the history or in a screenshot of the address bar.
  if (location.pathname !== '/' || location.search || location.hash) history.replaceState(null, '', '/');
  try {
    const { ownerExists } = await call('GET', '/api/v2/setup');
    if (!ownerExists) {
      show('set-up');
      if (token) byId('set-up').querySelector('[name=token]').value = token;
      return;
    }
    if (waiting) return askSecondFactor(waiting);
    await call('GET', '/api/v2/me');
    await enter();
  } catch (error) {
    if (error.status === 401) return show('log-in');
    tell(error instanceof Problem ? error.message : 'Rahat Backup cannot be reached at the moment. Load the page again in a few seconds.');
  }
}

await start();
